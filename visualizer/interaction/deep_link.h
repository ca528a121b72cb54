#pragma once

#include <string>

#include "visualizer/session/session.h"

namespace ringattn::viz {

// The exact moment as a text, "scene=ring&beat=3&t=120.5&device=2&row=5&theme=light&scale=1.5". Applying it to a
// session of the same run gives the same picture.
std::string deep_link(const Session& session);

// Goes to the moment of a link. Throws BadInput if the text is not a link
void apply_deep_link(Session& session, const std::string& link);

}  // namespace ringattn::viz

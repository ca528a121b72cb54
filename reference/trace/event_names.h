#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "reference/trace/event.h"

namespace ringattn {

// The names used in trace files, and their inverse.
std::string_view name(EventKind kind);
std::string_view name(EventPhase phase);
std::string_view name(EventLane lane);

// Empty if there is no such name
std::optional<EventKind> event_kind(std::string_view word);
std::optional<EventPhase> event_phase(std::string_view word);
std::optional<EventLane> event_lane(std::string_view word);

// "device.sequence", and its inverse; empty if the text has another form
std::string to_string(const EventId& id);
std::optional<EventId> event_id(std::string_view text);

}  // namespace ringattn

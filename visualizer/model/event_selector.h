#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "visualizer/model/recording.h"

namespace ringattn::viz {

// Selects a moment of a run by its events, so that the moment stays correct when the costs change:
//   "start", "end"
//   "compute device=2 step=1"            the begin of the first event of this kind with these properties
//   "compute device=2 step=1 end"        its end
//   "wait device=1 why=recv 50%"         halfway between
// Properties: device, step, owner, pass (numbers); what, why, mask_class (texts, with _ for a space).
class EventSelector {
 public:
  // Throws BadInput if the text is not a selector
  explicit EventSelector(std::string_view text);

  // The time on _clock_ in nanoseconds; empty if no event matches
  std::optional<double> time(const Recording& recording, Clock clock) const;

  const std::string& text() const { return text_; }

 private:
  bool matches(const Recording& recording, const Span& span) const;

  std::string text_;
  std::optional<EventKind> kind_;  // none: "start" or "end"
  std::optional<int> device_, step_, owner_, pass_;
  std::string what_, why_, mask_class_;
  double fraction_ = 0;
};

}  // namespace ringattn::viz

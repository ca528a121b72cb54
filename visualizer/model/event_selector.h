#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "visualizer/model/recording.h"

namespace ringattn::viz {

// A moment of a run by what happens then, so that it stays right when the costs change:
//   "start", "end"
//   "compute device=2 step=1"            the begin of the first event of that kind with those properties
//   "compute device=2 step=1 end"        its end
//   "wait device=1 why=recv 50%"         halfway between
// Properties: device, step, owner, pass (numbers), what, why, mask_class (texts, spaces written as _).
class EventSelector {
 public:
  // Throws BadInput where the text is no selector
  explicit EventSelector(std::string_view text);

  // The time on that clock; nothing where no event is like that
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

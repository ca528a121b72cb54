#include "visualizer/model/time_lanes.h"

#include <algorithm>

namespace ringattn::viz {

TimeLanes time_lanes(const Recording& recording, int device, EventKind kind, Clock clock) {
  const std::span<const Span> spans = recording.spans().of(device);
  TimeLanes lanes{1, std::vector<int>(spans.size(), 0)};
  std::vector<std::size_t> messages;
  for (std::size_t i = 0; i < spans.size(); ++i)
    if (spans[i].begin->kind == kind && recording.began(spans[i], clock) < recording.ended(spans[i], clock))
      messages.push_back(i);
  std::stable_sort(messages.begin(), messages.end(), [&](std::size_t a, std::size_t b) {
    return recording.began(spans[a], clock) < recording.began(spans[b], clock);
  });

  // In the order of their begins, each takes the first lane that is free
  std::vector<double> free;
  for (const std::size_t i : messages) {
    const double began = recording.began(spans[i], clock);
    const auto lane = std::find_if(free.begin(), free.end(), [began](double from) { return from <= began; });
    lanes.of[i] = static_cast<int>(lane - free.begin());
    if (lane == free.end())
      free.push_back(recording.ended(spans[i], clock));
    else
      *lane = recording.ended(spans[i], clock);
  }
  lanes.count = std::max(1, static_cast<int>(free.size()));
  return lanes;
}

}  // namespace ringattn::viz

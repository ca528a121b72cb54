#pragma once

#include "visualizer/raster/headless_screen.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// Draws every panel of a run at the fraction _part_ of its duration, for the tests and the fuzzer of damaged traces.
inline void draw_all_panels(HeadlessScreen& screen, const Recording& recording, Clock clock, double part) {
  const Moment now = moment(recording, part * recording.duration(clock), clock);
  ViewSettings settings;
  settings.clock = clock;
  settings.critical_path = true;
  settings.matrix = part < 0.3   ? MatrixColoring::owner
                    : part < 0.6 ? MatrixColoring::score
                                 : MatrixColoring::step;
  Selection selection;
  selection.device = recording.devices() - 1;
  selection.row = std::max<Index>(0, recording.header().Sq - 1);
  // Pin the event in the middle of the trace
  if (!recording.events().empty()) {
    const EventId id = recording.events()[recording.events().size() / 2].id;
    selection.pinned = Target::event(id.device, id.sequence);
  }
  const Frame frame{recording, now, selection, settings};
  for (const auto& panel : run_panels())
    screen.log(theme("dark"), [&](Canvas& canvas) { panel.second(canvas, {10, 10, 900, 600}, frame); });
}

}  // namespace ringattn::viz

#pragma once

#include "visualizer/model/moment.h"
#include "visualizer/session/notes.h"
#include "visualizer/session/view_settings.h"
#include "visualizer/draw/canvas.h"

namespace ringattn::viz {

// What a panel shows: a run at a moment, and how it is looked at. Panels are pure: the same frame gives the
// same picture.
struct Frame {
  const Recording& recording;
  const Moment& moment;
  const Selection& selection;
  const ViewSettings& settings;
  std::string title = {};  // of the run, where several are compared
  double horizon = 0;      // nanoseconds that a timeline spans: of the longest run that is compared
  const std::vector<Note>* notes = nullptr;  // of the spectator; null: none

  // What stands above a panel
  std::string heading(const std::string& panel) const { return title.empty() ? panel : title; }
};

// Each draws itself into _rect_, whatever its size: what has no room is left out, never squeezed
void draw_ring_stage(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_attention_matrix(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_softmax_microscope(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_timeline(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_memory(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_code(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_inspector(Canvas& canvas, const Rect& rect, const Frame& frame);

// The background and heading that panels share; returns the room that is left
Rect draw_panel(Canvas& canvas, const Rect& rect, std::string_view heading, std::string_view remark = {});

}  // namespace ringattn::viz

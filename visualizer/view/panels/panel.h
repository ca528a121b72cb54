#pragma once

#include <map>
#include <string>

#include "visualizer/draw/canvas.h"
#include "visualizer/model/moment.h"
#include "visualizer/session/live_controls.h"
#include "visualizer/session/notes.h"
#include "visualizer/session/view_settings.h"

namespace ringattn::viz {

// The input of a panel: a run at a moment, and the view settings. Panels are pure: equal frames give equal pictures.
struct Frame {
  const Recording& recording;
  const Moment& moment;
  const Selection& selection;
  const ViewSettings& settings;
  std::string title = {};  // of the run, if several are compared
  double horizon = 0;      // duration of the longest compared run in nanoseconds: the extent of a timeline
  const std::vector<Note>* notes = nullptr;  // notes of the user; null: none
  std::vector<const Recording*> beside =
      {};  // runs with which this one is compared in the same kind of panel

  const LiveControls* live = nullptr;  // null: not a live run, or its end

  // The heading of a panel
  std::string heading(const std::string& panel) const { return title.empty() ? panel : title; }
};

// Each function draws a panel into _rect_ of any size. Parts that do not fit are left out, never squeezed
void draw_ring_stage(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_attention_matrix(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_softmax_microscope(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_timeline(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_memory(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_code(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_merge_chain(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_merge_tree(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_merge_orders(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_hiding(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_machines(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_memory_bars(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_memory_growth(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_million_tokens(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_recall(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_tile(Canvas& canvas, const Rect& rect, const Frame& frame);
void draw_inspector(Canvas& canvas, const Rect& rect, const Frame& frame);

// The panels that show a run, by name
using DrawPanel = void (*)(Canvas&, const Rect&, const Frame&);
const std::map<std::string, DrawPanel>& run_panels();

// Draws the background and the heading of a panel; returns the rectangle below
Rect draw_panel(Canvas& canvas, const Rect& rect, std::string_view heading, std::string_view remark = {});

}  // namespace ringattn::viz

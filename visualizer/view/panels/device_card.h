#pragma once

#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// The devices of a larger run are cells
constexpr int max_cards = 16;

// The label of a block: the longest form that fits for all owners, so that all blocks have the same form. _exchanged_:
// as for block_labels
void draw_block_label(Canvas& canvas, const Rect& rect, const Recording& recording, std::string_view what,
                      int owner, bool exchanged, Face face, Color ink);

// The share of a hop, and of the arithmetic, in which a block slides into its slot or out of it
constexpr double slide_share = 0.12;

// The rectangle on the way from one to another, slow at both ends
Rect between(const Rect& from, const Rect& to, double fraction);

// The card of a device: its stationary block, the two slots of the travelling blocks, the absorbed blocks and the
// activity. A small card shows only the number and the resident block.
class DeviceCard {
 public:
  DeviceCard(Canvas& canvas, const Frame& frame, int device, const Rect& rect);

  void draw();

  // The places of the block in use and of the next block; empty if there is no room
  Rect in_use() const;
  const Rect& incoming() const { return places_.incoming; }

 private:
  struct Places {
    Rect progress, heading, number, badge, heads, stationary, stationary_gradient, in_use, in_use_gradient,
        incoming;
  };
  void find_places();
  int waiting_slots() const;
  std::string rows_and_heads() const;
  void draw_heading(Rect line);
  void draw_number();
  void draw_state(const Rect& place);
  void draw_wait(const Rect& place, Face face);
  void draw_gradients();
  void draw_gradient(const Rect& rect, std::string_view what, int owner, double fraction);
  void draw_stationary();
  void draw_slot(const Rect& rect, const SlotContents& slot, bool in_use);
  void draw_waiting();
  void draw_progress();
  void draw_absorbed(const Rect& segment, const Span& compute, double fraction);

  bool is_stalled() const { return frame_.live && frame_.live->stalled.count(id_); }
  std::string badge_text() const;
  // Whether the device has exchanged rows for heads, if its strategy does that
  bool exchanged() const { return now_.step >= 0; }
  bool computes() const { return now_.activity == Activity::computing; }
  Face block_face() const { return large_ ? Face::heading : Face::body; }

  Canvas& canvas_;
  const Frame& frame_;
  const Theme& theme_;
  int id_;
  const DeviceMoment& now_;
  Rect rect_;
  bool large_;  // in large type
  Places places_;
};

}  // namespace ringattn::viz

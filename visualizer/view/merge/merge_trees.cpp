#include <algorithm>
#include <cmath>
#include <string>

#include "visualizer/model/pictures/merge_trees.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

namespace {

// The states of a row as boxes, from the single blocks at the top to the state over all keys at the bottom.
class MergeTreePicture {
 public:
  MergeTreePicture(Canvas& canvas, const Frame& frame, Rect room, MergeOrder order, const MergeTree& tree)
      : canvas_(canvas), frame_(frame), theme_(canvas.theme()), order_(order), tree_(tree) {
    find_events();
    result_ = room.take_bottom(canvas.line_height(Face::strong) + 2, 10);
    const std::size_t levels = place_states();
    column_ = room.w / static_cast<float>(tree.leaves());
    row_ = room.h / static_cast<float>(levels + 1);
    face_ = row_ >= 4 * canvas.line_height(Face::body) + 40 && column_ >= 260 ? Face::body : Face::small;
    box_ = {std::min(column_ - 14, 280.f), 4 * canvas.line_height(face_) + 22};
    room_ = room;
  }

  void draw() {
    if (box_.w < 96 || row_ < box_.h + 8) {
      canvas_.paragraph(room_, "The states of all merges need a larger panel.", Face::body, theme_.faint_ink);
      return;
    }
    for (std::size_t i = 0; i < tree_.merges.size(); ++i) draw_edges(i);
    for (std::size_t i = 0; i < tree_.states.size(); ++i) draw_state(i);
    // With the first merge
    if (order_ == MergeOrder::chain && shown_[tree_.leaves()]) draw_rule();
    draw_output();
  }

 private:
  // The events that computed the states of the chain; the tree is not part of the run
  void find_events() {
    const int query_owner = frame_.recording.owner_of_query(frame_.selection.row);
    const bool turned = frame_.recording.header().queries_rotate();
    const RowHistory history = row_history(frame_.recording, frame_.moment, frame_.selection.row);
    over_ = frame_.moment.over;
    for (std::size_t i = 0; i < tree_.leaves(); ++i) {
      const int owner = tree_.states[i].owners.front();
      const TileProgress& tile = frame_.moment.tile(query_owner, owner);
      // A number appears when its arithmetic is almost over
      shown_.push_back(over_ || tile.state == TileProgress::State::done || tile.fraction >= 0.9);
      events_.push_back(tile.compute && shown_.back() ? tile.compute->begin->id : EventId{});
    }
    for (std::size_t i = 0; i < tree_.merges.size(); ++i) {
      const bool merged = order_ == MergeOrder::chain ? history.past.size() > i + 1 : over_;
      shown_.push_back(merged);
      events_.push_back(merged && order_ == MergeOrder::chain && turned ? history.past[i + 1]->id
                                                                        : EventId{});
    }
  }

  // Column and level of each state; returns the lowest level. The chain follows the row from block to block
  std::size_t place_states() {
    for (std::size_t i = 0; i < tree_.leaves(); ++i) places_.push_back({static_cast<float>(i), 0});
    std::size_t levels = 0;
    for (std::size_t i = 0; i < tree_.merges.size(); ++i) {
      const Merge& merge = tree_.merges[i];
      const Place left = places_[merge.left], right = places_[merge.right];
      const bool chain = order_ == MergeOrder::chain;
      places_.push_back(
          {chain ? right.column : (left.column + right.column) / 2, std::max(left.level, right.level) + 1});
      if (chain) places_.back().level = i + 1;
      levels = std::max(levels, places_.back().level);
    }
    return levels;
  }

  Rect box(std::size_t i) const {
    const Place& place = places_[i];
    return around({room_.x + column_ * (place.column + 0.5f),
                   room_.y + row_ * (static_cast<float>(place.level) + 0.5f)},
                  box_.w, box_.h);
  }

  void draw_edges(std::size_t i) {
    const Merge& merge = tree_.merges[i];
    const Rect to = box(tree_.leaves() + i);
    const bool shown = shown_[tree_.leaves() + i];
    for (const std::size_t part : {merge.left, merge.right}) {
      const Rect from = box(part);
      const bool above = std::abs(from.centre().x - to.centre().x) < 1;
      const float side = from.centre().x < to.centre().x ? -0.25f : 0.25f;
      const Point begin = order_ == MergeOrder::chain && !above && from.y > room_.y + row_
                              ? Point{from.right(), from.centre().y}
                              : Point{from.centre().x, from.bottom()};
      const Point end{to.centre().x + (above ? 0 : side * to.w), to.y};
      const Color color = shown ? theme_.faint_ink : theme_.outline;
      canvas_.line(begin, end, color, 1.5f);
      canvas_.arrow_head(end, end - begin, 9, color);
    }
  }

  // A bar with the share of each block in l, and the numbers of the state
  void draw_state(std::size_t i) {
    const Rect rect = box(i);
    const PartialState& state = tree_.states[i];
    canvas_.fill(rect, theme_.raised, 6);
    const bool last = i + 1 == tree_.states.size();
    canvas_.frame(rect, last && shown_[i] ? theme_.accent : theme_.outline, last ? 2.f : 1.f, 6);
    Rect inner = rect.inset(8, 6);
    const Rect bar = inner.take_top(7, 3);
    const bool leaf = i < tree_.leaves();
    if (!shown_[i]) {
      const int owner = state.owners.front();
      if (leaf) {
        canvas_.frame(bar, theme_.of(owner), 1, 2);
        const std::string keys = block_label("K V", owner), device = "device " + std::to_string(owner);
        canvas_.fitting_text(inner, {keys + " on " + device, keys}, face_, theme_.faint_ink, Align::centre);
        canvas_.element(rect, Target::device(owner), {},
                        "device " + std::to_string(owner) + " has not attended to its keys yet");
      }
      return;
    }
    if (events_[i])
      canvas_.element(rect, Target::event(events_[i].device, events_[i].sequence), events_[i],
                      leaf ? "the state of one block" : "the merged state");
    float x = bar.x;
    for (std::size_t k = 0; k < state.owners.size(); ++k) {
      const float w = bar.w * static_cast<float>(std::clamp(state.shares[k], 0.0, 1.0));
      if (w > 0) canvas_.block({x, bar.y, w, bar.h}, state.owners[k], 2);
      canvas_.element(
          {x, bar.y, w, bar.h}, Target::device(state.owners[k]), {},
          "block " + std::to_string(state.owners[k]) + " has " + percent_text(state.shares[k]) + " of l");
      x += w;
    }
    const float line = canvas_.line_height(face_);
    std::string O = "O  ";
    for (std::size_t d = 0; d < std::min<std::size_t>(state.O.size(), 2); ++d)
      O += (d ? ",  " : "") + rounded_number(state.O[d]);
    if (leaf) {
      canvas_.fitting_text(
          inner.take_top(line),
          {block_label("K V", state.owners.front()) + " alone", block_label("K V", state.owners.front())},
          face_, theme_.faint_ink);
    } else {
      const Merge& merge = tree_.merges[i - tree_.leaves()];
      canvas_.fitting_text(
          inner.take_top(line),
          {"\xce\xb1 " + rounded_number(merge.alpha) + ",  \xce\xb2 " + rounded_number(merge.beta)}, face_,
          theme_.faint_ink);
    }
    canvas_.fitting_text(inner.take_top(line), {"m  " + rounded_number(state.m)}, face_, theme_.maximum);
    canvas_.fitting_text(inner.take_top(line), {"l  " + rounded_number(state.l)}, face_, theme_.ink);
    canvas_.fitting_text(inner.take_top(line), {O}, face_, theme_.ink);
  }

  // The rule of merging, below the first blocks, where the staircase of the chain leaves room
  void draw_rule() {
    static const char* const formulas[] = {
        "m = max(m\xe2\x82\x81, m\xe2\x82\x82)", "\xce\xb1 = exp(m\xe2\x82\x81 \xe2\x88\x92 m)",
        "\xce\xb2 = exp(m\xe2\x82\x82 \xe2\x88\x92 m)", "l = \xce\xb1 l\xe2\x82\x81 + \xce\xb2 l\xe2\x82\x82",
        "O = \xce\xb1 O\xe2\x82\x81 + \xce\xb2 O\xe2\x82\x82"};
    const float line = canvas_.line_height(Face::body) + 8,
                h = line * static_cast<float>(std::size(formulas));
    Rect place{room_.x + 4, room_.bottom() - h, 2 * column_ - box_.w / 2 - 14, h};
    if (tree_.merges.size() < 3 || place.y < box(tree_.leaves()).bottom() + 4) return;
    for (const char* const formula : formulas)
      canvas_.fitting_text(place.take_top(line), {formula}, Face::body, theme_.faint_ink);
  }

  void draw_output() {
    if (!shown_.back()) return;
    std::string output;
    for (std::size_t d = 0; d < std::min<std::size_t>(tree_.output.size(), 2); ++d)
      output += (d ? ",  " : "") + float32_text(tree_.output[d]);
    canvas_.fitting_text(result_, {"output O / l = " + output, output}, Face::strong, theme_.accent,
                         Align::right);
  }

  struct Place {
    float column = 0;
    std::size_t level = 0;
  };

  Canvas& canvas_;
  const Frame& frame_;
  const Theme& theme_;
  MergeOrder order_;
  const MergeTree& tree_;
  Rect room_, result_;
  Size box_;
  float column_ = 0, row_ = 0;
  Face face_ = Face::small;
  bool over_ = false;
  std::vector<Place> places_;
  std::vector<bool> shown_;
  std::vector<EventId> events_;
};

void draw_merges(Canvas& canvas, const Rect& rect, const Frame& frame, MergeOrder order,
                 const char* heading) {
  const Index row = frame.selection.row;
  const Rect room = draw_panel(canvas, rect, std::string(heading) + " \xc2\xb7 row " + std::to_string(row),
                               order == MergeOrder::tree ? "outside of the ring" : "as in the ring");
  const std::optional<MergeTree> tree = merge_tree(frame.recording, row, order);
  if (!tree) {
    canvas.paragraph(room, "The inputs of this run are unknown.", Face::body, canvas.theme().faint_ink);
    return;
  }
  MergeTreePicture(canvas, frame, room, order, *tree).draw();
}

}  // namespace

void draw_merge_chain(Canvas& canvas, const Rect& rect, const Frame& frame) {
  draw_merges(canvas, rect, frame, MergeOrder::chain, "Chain of merges");
}

void draw_merge_tree(Canvas& canvas, const Rect& rect, const Frame& frame) {
  draw_merges(canvas, rect, frame, MergeOrder::tree, "Tree of merges");
}

}  // namespace ringattn::viz

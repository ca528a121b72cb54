#include <algorithm>
#include <cmath>
#include <string>

#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/panel.h"
#include "visualizer/view/panels/tile_matrix.h"

namespace ringattn::viz {

namespace {

// Consecutive rows or columns with the same owner.
struct Chunk {
  Index begin = 0, end = 0;
  int owner = -1;
};

std::vector<Chunk> chunks(Index count, const Recording& recording, int (Recording::*owner)(Index) const) {
  std::vector<Chunk> all;
  for (Index i = 0; i < count; ++i) {
    const int its_owner = (recording.*owner)(i);
    if (all.empty() || all.back().owner != its_owner) all.push_back({i, i, its_owner});
    all.back().end = i + 1;
  }
  return all;
}

// The matrix of all pairs of query (row) and key (column), in sequence order.
class Matrix {
 public:
  Matrix(Canvas& canvas, const Frame& frame, const Rect& room)
      : canvas_(canvas),
        frame_(frame),
        theme_(canvas.theme()),
        recording_(frame.recording),
        queries_(recording_.header().Sq),
        keys_(recording_.header().Skv),
        q_chunks_(chunks(queries_, recording_, &Recording::owner_of_query)),
        kv_chunks_(chunks(keys_, recording_, &Recording::owner_of_key)) {
    left_ = 24 + words_w();
    cell_ = std::min((room.w - left_) / static_cast<float>(keys_),
                     (room.h - above) / static_cast<float>(queries_));
    if (cell_ < canvas.line_height(Face::small)) left_ = 24;
    cell_ = std::min({(room.w - left_) / static_cast<float>(keys_),
                      (room.h - above) / static_cast<float>(queries_), 44.f});
    const float w = cell_ * static_cast<float>(keys_), h = cell_ * static_cast<float>(queries_);
    grid_ = {room.x + left_ + (room.w - left_ - w) / 2, room.y + above + (room.h - above - h) / 2, w, h};
    // The zoomed part fills the grid
    const AxisRange &q = frame.settings.queries, &k = frame.settings.keys;
    cell_ /= static_cast<float>(k.width());
    origin_ = {grid_.x - cell_ * static_cast<float>(k.begin * static_cast<double>(keys_)),
               grid_.y - cell_ * static_cast<float>(q.begin * static_cast<double>(queries_))};
  }

  void draw() {
    canvas_.fill(grid_, theme_.paper);
    canvas_.element(grid_, Target::grid());
    canvas_.clip(grid_);
    if (frame_.settings.matrix == MatrixColoring::score) find_scores();
    for (Index i = 0, end = 0; i < queries_; i = end) {
      for (end = i + 1; end < queries_ && alike(i, end);) ++end;
      draw_rows(i, end);
    }
    draw_grid();
    if (frame_.settings.matrix != MatrixColoring::score) draw_steps();
    draw_highlights();
    canvas_.unclip();
    draw_labels();
    draw_selected_row();
  }

 private:
  static constexpr float above = 24, strip = 5;

  TileProgress tile(Index i, Index j) const {
    return shown_tile(frame_, recording_.owner_of_query(i), recording_.owner_of_key(j));
  }
  Rect cells(Index i, Index i_end, Index j, Index j_end) const {
    return {origin_.x + cell_ * static_cast<float>(j), origin_.y + cell_ * static_cast<float>(i),
            cell_ * static_cast<float>(j_end - j), cell_ * static_cast<float>(i_end - i)};
  }

  // ---- Cells. Equal neighbours are drawn as one rectangle

  bool alike(Index i, Index other) const {
    if (frame_.settings.matrix == MatrixColoring::score) return false;
    if (recording_.owner_of_query(i) != recording_.owner_of_query(other)) return false;
    for (Index j = 0; j < keys_ && recording_.masked(); ++j)
      if (recording_.visible(i, j) != recording_.visible(other, j)) return false;
    return true;
  }

  void draw_rows(Index i, Index i_end) {
    const bool single = frame_.settings.matrix == MatrixColoring::score;
    for (Index j = 0, end = 0; j < keys_; j = end) {
      for (end = j + 1; end < keys_ && !single &&
                        recording_.owner_of_key(end) == recording_.owner_of_key(j) &&
                        recording_.visible(i, end) == recording_.visible(i, j);)
        ++end;
      draw_cells(cells(i, i_end, j, end), i, j);
    }
  }

  void draw_cells(const Rect& rect, Index i, Index j) {
    if (recording_.visible(i, j)) canvas_.fill(rect, color_now(i, j));
    if (const TileProgress progress = tile(i, j); progress.compute)
      canvas_.element(rect, Target::tile(recording_.owner_of_query(i), recording_.owner_of_key(j)),
                      progress.compute->begin->id);
  }

  Color color_now(Index i, Index j) const {
    const TileProgress progress = tile(i, j);
    const Color blank = mix(theme_.panel, theme_.outline, 0.4);
    if (progress.state == TileProgress::State::not_yet) return blank;
    const double part = progress.state == TileProgress::State::done ? 1 : 0.25 + 0.75 * progress.fraction;
    return mix(blank, color_of(progress, i, j), part);
  }

  Color color_of(const TileProgress& progress, Index i, Index j) const {
    if (frame_.settings.matrix != MatrixColoring::score)
      return tile_color(theme_, frame_, progress, recording_.owner_of_key(j));
    const double score = scores_[static_cast<std::size_t>(i * keys_ + j)];
    if (std::isnan(score)) return theme_.outline;
    const double part = std::min(1.0, std::abs(score) / std::max(largest_, 1e-300));
    return mix(theme_.zero, score < 0 ? theme_.negative : theme_.positive, part);
  }

  // The scores in the row events
  void find_scores() {
    scores_.assign(static_cast<std::size_t>(queries_ * keys_), std::nan(""));
    for (const Event& event : recording_.events()) {
      if (event.kind != EventKind::row || !event.row || event.row->batch != 0 || event.row->head != 0)
        continue;
      const int kv_owner = recording_.header().queries_rotate() ? event.id.device : event.owner;
      const std::vector<Index>& keys = recording_.key_rows(kv_owner);
      const std::vector<double>& scores = event.row->scores;
      for (std::size_t k = 0; k < std::min(keys.size(), scores.size()); ++k) {
        scores_[static_cast<std::size_t>(event.row->row * keys_ + keys[k])] = scores[k];
        if (std::isfinite(scores[k])) largest_ = std::max(largest_, std::abs(scores[k]));
      }
    }
  }

  // ---- On top of the cells

  // Lines between owners, and between large cells
  void draw_grid() {
    const auto lines = [&](Index count, const std::vector<Chunk>& all, bool upright) {
      for (std::size_t chunk = 0; chunk < all.size(); ++chunk)
        for (Index i = all[chunk].begin; i < all[chunk].end; ++i) {
          const bool edge = i == all[chunk].begin;
          if (i == 0 || cell_ < (edge ? 4 : 12) || (!edge && count > 64)) continue;
          const float at = (upright ? origin_.x : origin_.y) + cell_ * static_cast<float>(i);
          const float thickness = edge && cell_ >= 12 && all.size() < static_cast<std::size_t>(count) ? 2 : 1;
          if (upright)
            canvas_.line({at, grid_.y}, {at, grid_.bottom()}, theme_.panel, thickness);
          else
            canvas_.line({grid_.x, at}, {grid_.right(), at}, theme_.panel, thickness);
        }
    };
    lines(queries_, q_chunks_, false);
    lines(keys_, kv_chunks_, true);
  }

  // Calls visit(rect, query chunk, key chunk) for each contiguous piece of a tile
  template <class Visit>
  void for_each_piece(const Visit& visit) const {
    for (const Chunk& q : q_chunks_)
      for (const Chunk& kv : kv_chunks_) visit(cells(q.begin, q.end, kv.begin, kv.end), q, kv);
  }

  bool all_visible(const Chunk& q, const Chunk& kv) const {
    if (!recording_.masked()) return true;
    for (Index i = q.begin; i < q.end; ++i)
      for (Index j = kv.begin; j < kv.end; ++j)
        if (!recording_.visible(i, j)) return false;
    return true;
  }

  Rect shown_part(const Rect& rect) const {
    const float x = std::max(rect.x, grid_.x), y = std::max(rect.y, grid_.y);
    return {x, y, std::max(0.f, std::min(rect.right(), grid_.right()) - x),
            std::max(0.f, std::min(rect.bottom(), grid_.bottom()) - y)};
  }

  // The part of a tile for its number: above or below the selected row if the outline of that row would cross it
  Rect beside_selected_row(const Rect& rect) const {
    const Rect row = cells(frame_.selection.row, frame_.selection.row + 1, 0, 1).inset(-2);
    const float above_row = row.y - rect.y, below_row = rect.bottom() - row.bottom();
    const float half = canvas_.line_height(Face::heading) / 2, middle = rect.centre().y;
    if (row.bottom() <= middle - half || row.y >= middle + half) return rect;
    return above_row > below_row ? Rect{rect.x, rect.y, rect.w, above_row}
                                 : Rect{rect.x, row.bottom(), rect.w, below_row};
  }

  // The step of each tile that is fully visible
  void draw_steps() {
    for_each_piece([&](const Rect& piece, const Chunk& q, const Chunk& kv) {
      const Rect rect = beside_selected_row(shown_part(piece));
      const TileProgress progress = tile(q.begin, kv.begin);
      if (rect.w < 22 || rect.h < 18 || progress.state == TileProgress::State::not_yet || !all_visible(q, kv))
        return;
      const Face face = rect.w >= 70 && rect.h >= 60 ? Face::heading : Face::small;
      const std::string step = std::to_string(progress.compute->begin->step);
      const Color color = color_now(q.begin, kv.begin);
      // Cover the lines between cells behind the number
      const Size size = canvas_.text_size(step, face);
      canvas_.fill(around(rect.centre(), size.w + 8, size.h), color);
      canvas_.fitting_text(rect, {step}, face, theme_.ink_on(color), Align::centre);
    });
  }

  void draw_highlights() {
    for_each_piece([&](const Rect& rect, const Chunk& q, const Chunk& kv) {
      const int travels = recording_.header().queries_rotate() ? q.owner : kv.owner;
      if (frame_.selection.highlights(Target::tile(q.owner, kv.owner)) ||
          frame_.selection.highlights(Target::block(travels)))
        canvas_.frame(rect, theme_.ink, 2);
    });
  }

  // ---- The edges

  // The width of the longest word before the rows
  float words_w() const {
    float widest = 0;
    for (const std::string& word : recording_.words)
      widest = std::max(widest, canvas_.text_size(word, Face::small).w);
    return std::min(widest, 110.f);
  }

  // The owners of rows and columns as strips along the edges; the words, if there is room
  void draw_labels() {
    for (const Chunk& q : q_chunks_) {
      const Rect side =
          shown_part({grid_.x, cells(q.begin, q.end, 0, 1).y, cell_, cells(q.begin, q.end, 0, 1).h});
      canvas_.block({grid_.x - strip - 3, side.y, strip, side.h}, q.owner, 0);
    }
    for (const Chunk& kv : kv_chunks_) {
      const Rect side =
          shown_part({cells(0, 1, kv.begin, kv.end).x, grid_.y, cells(0, 1, kv.begin, kv.end).w, cell_});
      canvas_.block({side.x, grid_.y - strip - 3, side.w, strip}, kv.owner, 0);
    }
    // Names of the axes
    const Rect top{grid_.x - left_, grid_.y - above, left_ + grid_.w, above - strip - 3};
    canvas_.fitting_text(top,
                         {"queries \xe2\x86\x93, keys \xe2\x86\x92", "q \xe2\x86\x93, k \xe2\x86\x92", "q k"},
                         Face::small, theme_.faint_ink);
    if (left_ <= 24) return;
    for (Index i = 0; i < std::min(queries_, static_cast<Index>(recording_.words.size())); ++i)
      if (is_shown(i))
        canvas_.fitting_text({grid_.x - left_, cells(i, i + 1, 0, 1).y, left_ - 22, cell_},
                             {recording_.words[static_cast<std::size_t>(i)]}, Face::small, theme_.ink,
                             Align::right);
  }

  // Whether the whole row is in the shown part
  bool is_shown(Index i) const {
    const Rect row = cells(i, i + 1, 0, 1);
    return row.y >= grid_.y - 0.5f && row.bottom() <= grid_.bottom() + 0.5f;
  }

  void draw_selected_row() {
    for (Index i = 0; i < queries_; ++i)
      if (is_shown(i))
        canvas_.element({grid_.x - 10, cells(i, i + 1, 0, 1).y, 9, cell_}, Target::row(static_cast<int>(i)));
    const Index row = frame_.selection.row;
    if (row < 0 || row >= queries_ || !is_shown(row)) return;
    const Rect rect = shown_part(cells(row, row + 1, 0, keys_));
    const float tip = grid_.x - strip - 4, y = rect.centre().y;
    canvas_.triangle({tip - 8, y - 5}, {tip, y}, {tip - 8, y + 5}, theme_.accent);
    canvas_.frame(rect.inset(-1), mix(theme_.panel, theme_.accent, 0.75), 1);
  }

  Canvas& canvas_;
  const Frame& frame_;
  const Theme& theme_;
  const Recording& recording_;
  Index queries_, keys_;
  std::vector<Chunk> q_chunks_, kv_chunks_;
  float cell_ = 0, left_ = 0;
  Rect grid_;                   // of the shown part
  Point origin_;                // of the first cell
  std::vector<double> scores_;  // (queries, keys); NaN: no event contains the score
  double largest_ = 0;
};

const char* remark(MatrixColoring shows) {
  switch (shows) {
    case MatrixColoring::owner:
      return "colour: owner of the keys";
    case MatrixColoring::device:
      return "colour: device that computes";
    case MatrixColoring::step:
      return "colour: step";
    case MatrixColoring::score:
      break;
  }
  return "colour: score";
}

constexpr Index max_cells = 1 << 16;

}  // namespace

void draw_attention_matrix(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const TraceHeader& header = frame.recording.header();
  const bool cells = header.Sq > 0 && header.Skv > 0 && header.Sq <= max_cells / header.Skv;
  // The heads matter more than the colours if there is no room for both
  const std::string heads = shown_heads(frame), colors = remark(frame.settings.matrix);
  const bool both =
      canvas.text_size(heads + colors + frame.heading("Attention"), Face::strong).w < rect.w - 60;
  const std::string remarks = heads.empty() ? colors : both ? heads + "; " + colors : heads;
  const std::string numbers = frame.settings.matrix == MatrixColoring::score ? "" : "; number: step";
  const bool all =
      canvas.text_size(remarks + numbers + frame.heading("Attention"), Face::strong).w < rect.w - 60;
  const Rect room =
      draw_panel(canvas, rect, frame.heading("Attention"), remarks + (all ? numbers : std::string()));
  if (room.w < 60 || room.h < 60) return;
  if (cells)
    Matrix(canvas, frame, room).draw();
  else
    draw_tile_matrix(canvas, room, frame);
}

}  // namespace ringattn::viz

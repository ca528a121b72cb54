#include <algorithm>
#include <cmath>

#include "visualizer/model/pictures/softmax_picture.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/softmax/softmax_bands.h"
#include "visualizer/view/tile/tile_panel.h"

namespace ringattn::viz {

namespace {

// The matrices of a tile where a product is written by hand: K^T above S, V above O, and Q to the left.
//
//            K^T                     V
//     Q      S     m  alpha  P   l   O
class ForwardTilePicture {
 public:
  ForwardTilePicture(const TileView& view, const ForwardTile& forward, Rect room)
      : view_(view),
        forward_(forward),
        tile_(view.tile),
        canvas_(view.canvas),
        theme_(view.theme()),
        phases_(absorb_phases(tile_.fraction, view.frame.settings.reduced_motion)),
        queries_(forward.S.rows()),
        keys_(forward.S.cols()) {
    forward.S.row(view.row).maxCoeff(&key_);
    arithmetic_ = room.take_bottom(arithmetic_h(canvas_, 6), 12);
    const float name_h = grid_name_h(canvas_) + 5;
    const auto above = static_cast<float>(std::max(tile_.Q.cols(), keys_));
    const auto columns = static_cast<float>(tile_.Q.cols() + 2 * keys_ + tile_.V.cols() + 3);
    cell_ = {std::min((room.w - 6 * gap) / columns, 92.f),
             std::min((room.h - 2 * name_h) / (above + static_cast<float>(queries_)), 52.f)};
    const float w = cell_.w * columns + 6 * gap;
    const float h = cell_.h * (above + static_cast<float>(queries_)) + 2 * name_h;
    corner_ = {room.x + (room.w - w) / 2, room.y + (room.h - h) / 2 + name_h};
    below_ = corner_.y + cell_.h * above + name_h;
    place_columns();
  }

  void draw() {
    if (cell_.w < 22 || cell_.h < canvas_.line_height(Face::small)) return;
    draw_operands();
    draw_scores();
    draw_weights();
    draw_results();
    draw_arithmetic(canvas_, arithmetic_, arithmetic());
  }

 private:
  static constexpr float gap = 22;
  static constexpr const char *alpha = "\xce\xb1", *times = " \xc2\xb7 ";
  static bool over(double phase) { return SoftmaxView::over(phase); }

  void place_columns() {
    float x = corner_.x;
    const auto next = [&](Index columns) {
      const float here = x;
      x += cell_.w * static_cast<float>(columns) + gap;
      return here;
    };
    q_ = next(tile_.Q.cols()), s_ = next(keys_), m_ = next(1), alpha_ = next(1), p_ = next(keys_),
    l_ = next(1), o_ = next(tile_.V.cols());
  }
  // The corner of a matrix above the rows of the queries, whose last row is adjacent to them
  Point above(float x, Index rows) const {
    return {x, below_ - grid_name_h(canvas_) - 5 - cell_.h * static_cast<float>(rows)};
  }
  Point beside(float x) const { return {x, below_}; }

  // Draws a grid, and registers its cells as a part of _target_
  void put(Point corner, const NumberGrid& grid, const Target& target, EventId event, std::string label) {
    draw_grid(canvas_, corner, cell_, grid);
    if (grid.shown) canvas_.element(rect_of(corner, cell_, grid), target, event, std::move(label));
  }

  void draw_operands() {
    const EventId compute = tile_.compute->begin->id;
    NumberGrid Q = grid_of(block_label("Q", tile_.device), tile_.Q, view_.of_owner(tile_.device));
    NumberGrid K = transposed(
        grid_of(block_label("K", tile_.owner) + superscript_T, tile_.K, view_.of_owner(tile_.owner)));
    NumberGrid V = grid_of(block_label("V", tile_.owner), tile_.V, view_.of_owner(tile_.owner));
    Q.focus_row = view_.row, K.focus_column = key_;
    if (over(phases_.add)) V.focus_column = 0;
    put(beside(q_), Q, Target::device(tile_.device), {}, "queries of device " + std::to_string(tile_.device));
    put(above(s_, K.rows), K, Target::block(tile_.owner), compute, "keys");
    put(above(o_, V.rows), V, Target::block(tile_.owner), compute, "values");
  }

  void draw_scores() {
    const double largest = forward_.S.array().isFinite().all() ? forward_.S.cwiseAbs().maxCoeff() : 1;
    NumberGrid S = grid_of(std::string("S = Q K") + superscript_T + " / " + root_text(tile_.Q.cols()),
                           forward_.S, view_.of_signed(largest));
    S.short_name = "S";
    S.shown = over(phases_.scores);
    S.focus_row = view_.row, S.focus_column = key_;
    draw_grid(canvas_, beside(s_), cell_, S);
    for (Index i = 0; S.shown && i < queries_; ++i) register_row(s_, keys_, i, "scores");

    column(
        m_, "m", over(phases_.maximum), [](const RowUpdate& row) { return row.m_before; },
        [](const RowUpdate& row) { return row.m_after; }, theme_.maximum, 0.55);
  }

  // A number of each row, before the block and after
  void column(float x, const char* name, bool after, double (*old)(const RowUpdate&),
              double (*now)(const RowUpdate&), Color color, double strength) {
    NumberGrid grid;
    grid.name = name, grid.rows = queries_, grid.columns = 1;
    grid.number = [this, old, now, after](Index i, Index) {
      return after ? now(forward_.row(i)) : old(forward_.row(i));
    };
    const Color old_color = theme_.raised, new_color = mix(theme_.panel, color, strength);
    grid.color = [=](double) { return after ? new_color : old_color; };
    if (after) grid.focus_row = view_.row;
    draw_grid(canvas_, beside(x), cell_, grid);
    for (Index i = 0; i < queries_; ++i) register_row(x, 1, i, name);
  }

  // Row i of a result belongs to the event of its query
  void register_row(float x, Index columns, Index i, const char* what) {
    const Event& event = *forward_.events[static_cast<std::size_t>(i)];
    const Rect row{x, below_ + cell_.h * static_cast<float>(i), cell_.w * static_cast<float>(columns),
                   cell_.h};
    canvas_.element(row, Target::event(event.id.device, event.id.sequence), event.id,
                    std::string(what) + " of row " + std::to_string(event.row->row));
  }

  void draw_weights() {
    const bool shown = over(phases_.maximum);
    NumberGrid P = grid_of("P = exp(S \xe2\x88\x92 m)", forward_.P, view_.of_weight(1));
    P.short_name = "P";
    P.shown = shown;
    P.focus_row = view_.row;
    draw_grid(canvas_, beside(p_), cell_, P);
    if (!shown) return;
    for (Index i = 0; i < queries_; ++i) register_row(p_, keys_, i, "weights");
    column(
        alpha_, alpha, true, [](const RowUpdate& row) { return row.alpha; },
        [](const RowUpdate& row) { return row.alpha; }, theme_.faint_ink, 0.35);
  }

  void draw_results() {
    const bool added = over(phases_.add);
    column(
        l_, "l", added, [](const RowUpdate& row) { return row.l_before; },
        [](const RowUpdate& row) { return row.l_after; }, theme_.of(tile_.owner), 0.45);
    const Matrix<double> O_now = finished() ? output() : added ? forward_.O_after : forward_.O_before;
    const double largest = std::max(forward_.O_before.cwiseAbs().maxCoeff(), O_now.cwiseAbs().maxCoeff());
    NumberGrid O = grid_of(std::string("O = ") + alpha + " O + P V", O_now, view_.of_signed(largest));
    O.short_name = "O";
    if (!added) O.name = "O";
    if (finished()) O.name = O.short_name = "O / l";
    if (added) O.focus_row = view_.row, O.focus_column = 0;
    draw_grid(canvas_, beside(o_), cell_, O);
    for (Index i = 0; i < queries_; ++i) register_row(o_, O.columns, i, "O");
  }

  // ---- The output, after the last block

  bool finished() const {
    return view_.frame.moment.over && tile_.step == view_.frame.recording.devices() - 1;
  }

  Matrix<double> output() const {
    Matrix<double> output = forward_.O_after;
    for (Index i = 0; i < queries_; ++i)
      if (forward_.row(i).l_after != 0) output.row(i) /= forward_.row(i).l_after;
    return output;
  }

  Arithmetic last_division() const {
    const double mean = output()(view_.row, 0);
    const std::string result = " = " + in_product(forward_.O_after(view_.row, 0)) + " / " +
                               rounded_number(forward_.row(view_.row).l_after) + " = " + rounded_number(mean);
    const std::vector<double> dense =
        view_.frame.recording.dense_out(tile_.queries[static_cast<std::size_t>(view_.row)]);
    if (dense.empty()) return {"O/l", {result}};
    return {"O/l",
            {result + ", full attention " + rounded_number(dense[0]) + ", error " +
                 number_text(std::abs(mean - dense[0])),
             result}};
  }

  // ---- The arithmetic of the selected row

  Arithmetic score_line(const std::string& score) const {
    if (std::isinf(forward_.S(view_.row, key_))) return {"S", {" = " + score + ", masked"}};
    const std::string root_d = " / " + root_text(tile_.Q.cols());
    return {
        "S",
        {" = (" + sum_of_products(tile_.Q.row(view_.row), tile_.K.row(key_)) + ")" + root_d + " = " + score,
         " = q" + std::string(times) + "k" + root_d + " = " + score}};
  }

  std::vector<Arithmetic> arithmetic() const {
    const RowUpdate& row = forward_.row(view_.row);
    const auto n = [](double x) { return rounded_number(x); };
    const Vector<double> weights = forward_.P.row(view_.row);
    std::string scores, terms;
    for (Index j = 0; j < keys_; ++j) {
      scores += ", " + n(forward_.S(view_.row, j));
      terms += " + " + n(weights[j]);
    }
    const std::string score = n(forward_.S(view_.row, key_)), m = " = " + n(row.m_after),
                      l = " = " + n(row.l_after), O = " = " + n(forward_.O_after(view_.row, 0)),
                      kept = " = " + n(row.alpha) + times;
    // Without a visible key there is no maximum to subtract
    const auto exponential = [&](const std::string& of, double result) {
      return (std::isinf(row.m_after) ? "" : " = exp(" + of + subtracted(row.m_after) + ")") + " = " +
             n(result);
    };
    std::vector<Arithmetic> lines{
        score_line(score),
        {"m", {" = max(" + n(row.m_before) + scores + ")" + m, m}},
        {alpha, {exponential(n(row.m_before), row.alpha)}},
        {"P", {exponential(score, weights[key_])}},
        {"l", {kept + n(row.l_before) + terms + l, " = " + std::string(alpha) + " l + \xce\xa3 P" + l}},
        {"O",
         {kept + in_product(row.O_before[0]) + " + " + sum_of_products(weights, tile_.V.col(0)) + O,
          " = " + std::string(alpha) + " O + P V" + O}}};
    if (finished()) lines.back() = last_division();
    lines[0].shown = over(phases_.scores);
    lines[1].shown = lines[2].shown = lines[3].shown = over(phases_.maximum);
    lines[4].shown = lines[5].shown = over(phases_.add);
    return lines;
  }

  const TileView& view_;
  const ForwardTile& forward_;
  const TileOperands& tile_;
  Canvas& canvas_;
  const Theme& theme_;
  AbsorbPhases phases_;
  Index queries_, keys_;
  Index key_ = 0;  // the key with the largest score of the row: its arithmetic is written out
  Rect arithmetic_;
  Size cell_;
  Point corner_;
  float below_ = 0;  // the top of the rows of the queries
  float q_ = 0, s_ = 0, m_ = 0, alpha_ = 0, p_ = 0, l_ = 0, o_ = 0;
};

}  // namespace

void draw_forward_tile(const TileView& view, const Rect& room, const ForwardTile& forward) {
  ForwardTilePicture(view, forward, room).draw();
}

}  // namespace ringattn::viz

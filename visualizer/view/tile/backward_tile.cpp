#include <algorithm>
#include <cmath>

#include "visualizer/view/panels/labels.h"
#include "visualizer/view/tile/tile_panel.h"

namespace ringattn::viz {

namespace {

// The share of the arithmetic after which each of the five products is over, and dS, which is no product
constexpr double P_over = 0.2, dP_over = 0.4, dS_over = 0.5, dV_over = 0.65, dQ_over = 0.8, dK_over = 0.95;

// The matrices of a tile in the backward pass: V^T above dP, and the gradients of the keys below.
//
//            V^T
//     dO     dP    P     delta    dS    dQ
//                  dV^T           dK^T
class BackwardTilePicture {
 public:
  BackwardTilePicture(const TileView& view, const BackwardTile& backward, Rect room)
      : view_(view),
        backward_(backward),
        tile_(view.tile),
        canvas_(view.canvas),
        queries_(backward.P.rows()),
        keys_(backward.P.cols()) {
    backward.P.row(view.row).maxCoeff(&key_);
    arithmetic_ = room.take_bottom(arithmetic_h(canvas_, 6), 12);
    name_h_ = grid_name_h(canvas_) + 5;
    const Index Dv = tile_.V.cols(), D = tile_.Q.cols();
    const auto columns = static_cast<float>(Dv + 3 * keys_ + 1 + D);
    const auto rows = static_cast<float>(Dv + queries_ + std::max(D, Dv));
    cell_ = {std::min((room.w - 5 * gap) / columns, 92.f), std::min((room.h - 3 * name_h_) / rows, 52.f)};
    const float w = cell_.w * columns + 5 * gap, h = cell_.h * rows + 3 * name_h_;
    float x = room.x + (room.w - w) / 2;
    const auto next = [&](Index count) {
      const float here = x;
      x += cell_.w * static_cast<float>(count) + gap;
      return here;
    };
    dO_ = next(Dv), dP_ = next(keys_), P_ = next(keys_), delta_ = next(1), dS_ = next(keys_), dQ_ = next(D);
    top_ = room.y + (room.h - h) / 2 + name_h_;
    middle_ = top_ + cell_.h * static_cast<float>(Dv) + name_h_;
    bottom_ = middle_ + cell_.h * static_cast<float>(queries_) + name_h_;
  }

  void draw() {
    if (cell_.w < 22 || cell_.h < canvas_.line_height(Face::small)) return;
    draw_operands();
    draw_tile_of_pairs();
    draw_gradients();
    draw_arithmetic(canvas_, arithmetic_, arithmetic());
  }

 private:
  static constexpr float gap = 22;

  bool over(double share) const { return tile_.fraction >= share; }
  std::function<Color(double)> of(const Matrix<double>& matrix) const {
    return view_.of_signed(matrix.cwiseAbs().maxCoeff());
  }

  void put(Point corner, const NumberGrid& grid, std::string label) {
    draw_grid(canvas_, corner, cell_, grid);
    const EventId id = tile_.compute->begin->id;
    if (grid.shown)
      canvas_.element(rect_of(corner, cell_, grid), Target::event(id.device, id.sequence), id,
                      std::move(label));
  }

  void draw_operands() {
    NumberGrid dO = grid_of(block_label("dO", tile_.device), backward_.dO, view_.of_owner(tile_.device));
    NumberGrid V = transposed(
        grid_of(block_label("V", tile_.owner) + superscript_T, tile_.V, view_.of_owner(tile_.owner)));
    dO.focus_row = view_.row, V.focus_column = key_;
    put({dO_, middle_}, dO, "gradient of the output of device " + std::to_string(tile_.device));
    put({dP_, top_}, V, "values of block " + std::to_string(tile_.owner));

    NumberGrid column;
    column.name = "\xce\xb4", column.rows = queries_, column.columns = 1;
    column.number = [this](Index i, Index) { return backward_.delta[i]; };
    column.color = view_.of_owner(tile_.device);
    column.focus_row = view_.row;
    put({delta_, middle_}, column, "delta = rowsum(dO O), with the final O");
  }

  void draw_tile_of_pairs() {
    NumberGrid P =
        grid_of("P = exp(S \xe2\x88\x92 lse)", backward_.P, view_.of_weight(backward_.P.maxCoeff()));
    NumberGrid dP = grid_of(std::string("dP = dO V") + superscript_T, backward_.dP, of(backward_.dP));
    NumberGrid dS = grid_of("dS = P (dP \xe2\x88\x92 \xce\xb4)", backward_.dS, of(backward_.dS));
    P.short_name = "P", dP.short_name = "dP", dS.short_name = "dS";
    P.shown = over(P_over), dP.shown = over(dP_over), dS.shown = over(dS_over);
    for (NumberGrid* grid : {&P, &dP, &dS}) grid->focus_row = view_.row, grid->focus_column = key_;
    put({P_, middle_}, P, "probabilities, computed again");
    put({dP_, middle_}, dP, "gradient of the probabilities");
    put({dS_, middle_}, dS, "gradient of the scores");
  }

  void draw_gradients() {
    const std::string d = " / " + root_text(tile_.Q.cols());
    NumberGrid dV = transposed(grid_of(
        std::string("adds dO") + superscript_T + " P to " + block_label("dV", tile_.owner) + superscript_T,
        backward_.dV, view_.of_owner(tile_.owner)));
    NumberGrid dK = transposed(grid_of(std::string("adds Q") + superscript_T + " dS" + d + " to " +
                                           block_label("dK", tile_.owner) + superscript_T,
                                       backward_.dK, view_.of_owner(tile_.owner)));
    NumberGrid dQ = grid_of("adds dS K" + d + " to " + block_label("dQ", tile_.device), backward_.dQ,
                            view_.of_owner(tile_.device));
    dV.short_name = block_label("dV", tile_.owner), dK.short_name = block_label("dK", tile_.owner);
    dQ.short_name = block_label("dQ", tile_.device);
    dV.shown = over(dV_over), dQ.shown = over(dQ_over), dK.shown = over(dK_over);
    dQ.focus_row = view_.row, dQ.focus_column = 0;
    dK.focus_column = dV.focus_column = key_, dK.focus_row = dV.focus_row = 0;
    put({P_, bottom_}, dV, "contribution to dV, which travels on");
    put({dS_, bottom_}, dK, "contribution to dK, which travels on");
    put({dQ_, middle_}, dQ, "contribution to dQ, which stays");
  }

  // The arithmetic of the selected row and its largest weight
  std::vector<Arithmetic> arithmetic() const {
    const auto n = [](double x) { return rounded_number(x); };
    const Index i = view_.row;
    const double score = tile_.scale * tile_.Q.row(i).dot(tile_.K.row(key_));
    const std::string d = root_text(tile_.Q.cols()), P = n(backward_.P(i, key_)),
                      dP = n(backward_.dP(i, key_));
    const auto plain = [&](const Vector<double>& a, const Vector<double>& b, double result,
                           const char* short_form) {
      return std::vector<std::string>{" = " + sum_of_products(a, b) + " = " + n(result),
                                      std::string(" = ") + short_form + " = " + n(result)};
    };
    const auto scaled = [&](const Vector<double>& a, const Vector<double>& b, double result,
                            const char* short_form) {
      return std::vector<std::string>{" = (" + sum_of_products(a, b) + ") / " + d + " = " + n(result),
                                      std::string(" = ") + short_form + " / " + d + " = " + n(result)};
    };
    return {
        {"P", {" = exp(" + n(score) + subtracted(backward_.lse[i]) + ") = " + P}, over(P_over)},
        {"dP", plain(backward_.dO.row(i), tile_.V.row(key_), backward_.dP(i, key_), "dO V"), over(dP_over)},
        {"dS",
         {" = " + P + " \xc2\xb7 (" + dP + subtracted(backward_.delta[i]) +
          ") = " + n(backward_.dS(i, key_))},
         over(dS_over)},
        {"dV", plain(backward_.P.col(key_), backward_.dO.col(0), backward_.dV(key_, 0), "P dO"),
         over(dV_over)},
        {"dQ", scaled(backward_.dS.row(i), tile_.K.col(0), backward_.dQ(i, 0), "dS K"), over(dQ_over)},
        {"dK", scaled(backward_.dS.col(key_), tile_.Q.col(0), backward_.dK(key_, 0), "dS Q"), over(dK_over)}};
  }

  const TileView& view_;
  const BackwardTile& backward_;
  const TileOperands& tile_;
  Canvas& canvas_;
  Index queries_, keys_;
  Index key_ = 0;  // the key with the largest weight in the row: its arithmetic is written out
  Rect arithmetic_;
  Size cell_;
  float name_h_ = 0, top_ = 0, middle_ = 0, bottom_ = 0;
  float dO_ = 0, dP_ = 0, P_ = 0, delta_ = 0, dS_ = 0, dQ_ = 0;
};

}  // namespace

void draw_backward_tile(const TileView& view, const Rect& room, const BackwardTile& backward) {
  BackwardTilePicture(view, backward, room).draw();
}

}  // namespace ringattn::viz

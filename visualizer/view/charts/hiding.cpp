#include <algorithm>
#include <cmath>
#include <string>

#include "visualizer/view/charts/log_chart.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

namespace {

// The time of the arithmetic of a step and that of a transfer, over the length of a block.
class HidingChart {
 public:
  HidingChart(Canvas& canvas, const RingStep& step, Rect room)
      : canvas_(canvas),
        theme_(canvas.theme()),
        step_(step),
        line_h_(canvas.line_height(Face::small)),
        chart_(canvas, room, {fewest, most, tokens()}, {1, 1e8, times()}) {}

  void draw() {
    // The blocks that are too short
    const Rect& plot = chart_.plot();
    const float crossing = std::clamp(chart_.x_of(step_.smallest_block()), plot.x, plot.right());
    canvas_.fill({plot.x, plot.y, crossing - plot.x, plot.h}, mix(theme_.panel, theme_.wait, 0.16));
    chart_.draw_axes();
    const RingStep first = at(fewest), last = at(most);
    chart_.draw_line({{fewest, first.compute_ns()}, {most, last.compute_ns()}}, arithmetic(), 3);
    chart_.draw_line({{fewest, first.transfer_ns()}, {most, last.transfer_ns()}}, link(), 3);
    draw_block();
    draw_crossing();
    draw_legend();
  }

 private:
  static constexpr double fewest = 64, most = 65536;

  static std::vector<Tick> tokens() {
    return {{64, "64"},     {256, "256"},     {1024, "1024"},
            {4096, "4096"}, {16384, "16384"}, {65536, "65536 tokens"}};
  }
  static std::vector<Tick> times() {
    return {{1, "1 ns"},          {10, "10 ns"},         {100, "100 ns"},
            {1e3, "1 \xc2\xb5s"}, {1e4, "10 \xc2\xb5s"}, {1e5, "100 \xc2\xb5s"},
            {1e6, "1 ms"},        {1e7, "10 ms"},        {1e8, "100 ms"}};
  }
  RingStep at(double block) const { return {step_.tflops, step_.gbytes, block}; }
  Color arithmetic() const { return theme_.accent; }
  Color link() const { return theme_.positive; }

  // The length at which both lines cross
  void draw_crossing() {
    const double block = step_.smallest_block();
    if (block < fewest || block > most) return;
    const Rect& plot = chart_.plot();
    const float x = chart_.x_of(block), y = plot.bottom() - line_h_ - 4;
    canvas_.dashed({x, plot.y}, {x, plot.bottom()}, theme_.ink, 1.5f, 5);
    canvas_.circle({x, chart_.y_of(at(block).compute_ns())}, 8, theme_.ink, 2);
    const std::string threshold = "c = F / B = " + std::to_string(std::lround(block)) + " tokens";
    const Rect left{x - plot.w - 8, y, plot.w, line_h_}, right{x + 8, y, plot.w, line_h_};
    chart_.label(left, "devices wait", Face::body, theme_.faint_ink, Align::right);
    if (!chart_.label(right, threshold, Face::body, theme_.ink))
      chart_.label({left.x, left.y - line_h_ - 8, left.w, left.h}, threshold, Face::body, theme_.ink,
                   Align::right);
  }

  // In the upper left corner, where no line of the chart can be; at the lower right if the line of the block is there
  void draw_legend() {
    const Rect& plot = chart_.plot();
    const char* const arithmetic_name = "arithmetic of a step, 4 d c\xc2\xb2 / F";
    const char* const link_name = "transfer of a block, 4 c d / B";
    const float w = 42 +
                    std::max(canvas_.text_size(arithmetic_name, Face::body).w,
                             canvas_.text_size(link_name, Face::body).w) +
                    12;
    const bool crossed = chart_.x_of(std::clamp(step_.tokens, fewest, most)) < plot.x + w;
    const float x = crossed ? plot.right() - w : plot.x;
    float y = crossed ? plot.bottom() - 2 * (line_h_ + 10) - line_h_ - 14 : plot.y + line_h_ + 14;
    for (const auto& [name, color] : {std::pair{arithmetic_name, arithmetic()}, {link_name, link()}}) {
      if (chart_.label({x + 42, y, plot.w, line_h_}, name, Face::body, color))
        canvas_.line({x + 12, y + line_h_ / 2}, {x + 34, y + line_h_ / 2}, color, 3);
      y += line_h_ + 10;
    }
  }

  // The block of the run
  void draw_block() {
    const double block = std::clamp(step_.tokens, fewest, most);
    const float x = chart_.x_of(block);
    const Rect& plot = chart_.plot();
    chart_.draw_upright(block, theme_.ink, 2);
    const double compute = step_.compute_ns(), transfer = step_.transfer_ns();
    for (const auto& [ns, color] : {std::pair{compute, arithmetic()}, {transfer, link()}}) {
      canvas_.disc({x, chart_.y_of(ns)}, 7, color);
      // On the side on which the rising line is not
      const bool upper = ns == std::max(compute, transfer);
      const Rect place{upper ? x - plot.w - 10 : x + 10, chart_.y_of(ns) + (upper ? -20.f : 10.f), plot.w,
                       line_h_};
      chart_.label(place, time_text(ns), Face::strong, color, upper ? Align::right : Align::left);
    }
    const std::string c = "c = " + std::to_string(std::lround(step_.tokens));
    if (!chart_.label({x - plot.w / 2, plot.y + 2, plot.w, line_h_}, c, Face::strong, theme_.ink,
                      Align::centre))
      chart_.label({x < plot.centre().x ? x + 8 : x - plot.w - 8, plot.y + 2, plot.w, line_h_}, c,
                   Face::strong, theme_.ink, x < plot.centre().x ? Align::left : Align::right);
  }

  Canvas& canvas_;
  const Theme& theme_;
  const RingStep& step_;
  float line_h_;
  LogChart chart_;
};

std::string speeds(const RingStep& step) {
  return "F = " + number_text(step.tflops) + " TFLOP/s, B = " + number_text(step.gbytes) + " GB/s";
}

}  // namespace

void draw_hiding(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const RingStep& step = frame.recording.machine;
  const Rect room =
      draw_panel(canvas, rect, frame.heading("Arithmetic and transfer"), step.known() ? speeds(step) : "");
  if (!step.known())
    canvas.paragraph(room, "The costs of this run are not those of a machine.", Face::body,
                     canvas.theme().faint_ink);
  else if (room.w >= 260 && room.h >= 140)
    HidingChart(canvas, step, room).draw();
}

// ---- The machines -------------------------------------------------------------------

void draw_machines(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const Theme& theme = canvas.theme();
  Rect room = draw_panel(canvas, rect, "Smallest block that hides", "arXiv:2310.01889, table 2");
  const RingStep& now = frame.recording.machine;
  double most = 1, widest = 0;
  for (const Machine& each : machines()) {
    most = std::max(most, RingStep{each.tflops, each.gbytes, 1}.smallest_block());
    widest = std::max<double>(widest, canvas.text_size(each.name, Face::body).w);
  }
  const float line = canvas.line_height(Face::body),
              h = std::min(room.h / static_cast<float>(machines().size()), 4.5f * line);
  if (h < line + 4) return;
  for (const Machine& each : machines()) {
    Rect row = room.take_top(h);
    const RingStep step{each.tflops, each.gbytes, now.tokens};
    const bool here = now.tflops == each.tflops && now.gbytes == each.gbytes;
    if (here) canvas.fill(row.inset(-6, 2), theme.raised, 6);
    const bool two_lines = h >= 2 * line + 6;
    Rect first = two_lines ? around({row.centre().x, row.centre().y - line / 2}, row.w, line) : row;
    canvas.fitting_text(first.take_left(static_cast<float>(widest) + 2, 10), {each.name}, Face::body,
                        here ? theme.accent : theme.ink);
    canvas.fitting_text(first.take_right(canvas.text_size("24960 tokens", Face::body).w + 2, 8),
                        {std::to_string(std::lround(step.smallest_block())) + " tokens"}, Face::body,
                        here ? theme.accent : theme.ink, Align::right);
    const float part = static_cast<float>(step.smallest_block() / most);
    canvas.fill({first.x, first.centre().y - 5, std::max(2.f, first.w * part), 10},
                here ? theme.accent : theme.faint_ink, 2);
    if (two_lines)
      canvas.fitting_text(around({row.centre().x, row.centre().y + line / 2 + 1}, row.w, line),
                          {speeds(step)}, Face::small, theme.faint_ink);
  }
}

}  // namespace ringattn::viz

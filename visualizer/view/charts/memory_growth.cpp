// The panels `bars` and `growth`: the memory of a device for N tokens, in three ways.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "visualizer/view/charts/log_chart.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

namespace {

std::string tokens_text(std::int64_t tokens) {
  const auto n = static_cast<double>(tokens);
  char text[48];
  if (n >= 1e9)
    std::snprintf(text, sizeof text, "%.3g billion", n / 1e9);
  else if (n >= 1e6)
    std::snprintf(text, sizeof text, "%.3g million", n / 1e6);
  else
    std::snprintf(text, sizeof text, "%.3g thousand", n / 1e3);
  return text;
}

Color color_of(const Theme& theme, MemoryWay way) {
  return way == MemoryWay::all_scores ? theme.wrong : way == MemoryWay::tiles ? theme.positive : theme.right;
}

// ---- Bars ---------------------------------------------------------------------------

// The memory of a device as a frame, and what one way needs as a filling; a need that does not fit runs over the frame.
void draw_need(Canvas& canvas, Rect row, MemoryWay way, const LongSequence& sequence) {
  const Theme& theme = canvas.theme();
  const MemoryNeed need = memory_need(way, sequence);
  const bool fits = need.bytes() <= LongSequence::device_bytes;
  const Color color = color_of(theme, way);
  const float line = canvas.line_height(Face::body);

  // Above the bar: the way, and the bytes
  const Rect bar = row.take_bottom(std::min(row.h - line - 6, 46.f), 4);
  Rect text = row.take_bottom(line);
  const std::string bytes = bytes_text(need.bytes()) + " on each device";
  canvas.fitting_text(text.take_left(canvas.text_size(need.name, Face::strong).w + 2, 16), {need.name},
                      Face::strong, color);
  canvas.fitting_text(text.take_right(canvas.text_size(bytes, Face::body).w + 2, 16),
                      {bytes, bytes_text(need.bytes())}, Face::body, fits ? theme.ink : theme.wrong,
                      Align::right);
  canvas.fitting_text(text,
                      {"room for at most " + tokens_text(most_tokens(way, sequence.devices)) + " tokens"},
                      Face::body, theme.faint_ink);

  // The frame takes five sixths of the width: beyond it there is no memory
  const Rect frame{bar.x, bar.y, bar.w * 5 / 6, bar.h};
  canvas.fill(frame, theme.paper, 4);
  const float unit = frame.w / static_cast<float>(LongSequence::device_bytes);
  float x = bar.x;
  bool alternate = false;
  for (const auto& [name, bytes_of_buffer] : need.buffers) {
    const float w = std::min(unit * static_cast<float>(bytes_of_buffer), bar.right() - x);
    if (!(w > 0)) break;
    const Rect segment{x, bar.y, w, bar.h};
    const Color shade = mix(theme.panel, color, alternate ? 0.75 : 0.95);
    canvas.fill(segment, shade);
    // The part within the frame
    const Rect within{x, bar.y, std::min(segment.right(), frame.right()) - x, bar.h};
    canvas.fitting_text(within.inset(5, 0), {std::string(name)}, Face::small, theme.ink_on(shade),
                        Align::centre);
    x += w, alternate = !alternate;
  }
  canvas.frame(frame.inset(-1), theme.ink, 2, 4);
  if (fits) return;
  const std::string devices = number_text(std::ceil(need.bytes() / LongSequence::device_bytes)) + " \xc3\x97";
  const Rect beyond{frame.right() + 4, bar.y, bar.right() - frame.right() - 4, bar.h};
  canvas.fitting_text(beyond, {devices + " as much", devices}, Face::small, theme.ink_on(color),
                      Align::centre);
}

// ---- Chart --------------------------------------------------------------------------

// The bytes of each way over the length of the sequence
class GrowthChart {
 public:
  GrowthChart(Canvas& canvas, const LongSequence& sequence, Rect room)
      : canvas_(canvas),
        theme_(canvas.theme()),
        sequence_(sequence),
        line_h_(canvas.line_height(Face::small)),
        chart_(canvas, room, {fewest, most, lengths()}, {low, high, sizes()}) {}

  void draw() {
    chart_.draw_axes();
    chart_.draw_line({{fewest, LongSequence::device_bytes}, {most, LongSequence::device_bytes}}, theme_.ink,
                     2);
    const Rect& plot = chart_.plot();
    chart_.label({plot.x + 10, chart_.y_of(LongSequence::device_bytes) - line_h_ - 5, plot.w, line_h_},
                 "memory of one device, 80 GiB", Face::body, theme_.ink);
    chart_.draw_upright(static_cast<double>(sequence_.tokens), theme_.accent, 2);
    for (const MemoryWay way : memory_ways) draw_way(way);
  }

 private:
  static constexpr double fewest = 1 << 10, most = double{1 << 30} / 8, low = 1 << 20,
                          high = 1024.0 * 1024 * (1 << 30);

  static std::vector<Tick> lengths() {
    return {{1 << 10, "1 K"}, {1 << 14, "16 K"}, {1 << 17, "128 K"},
            {1 << 20, "1 M"}, {1 << 23, "8 M"},  {1 << 27, "128 M tokens"}};
  }
  static std::vector<Tick> sizes() {
    return {{1 << 20, "1 MiB"},           {1 << 25, "32 MiB"},           {1 << 30, "1 GiB"},
            {32.0 * (1 << 30), "32 GiB"}, {1024.0 * (1 << 30), "1 TiB"}, {32.0 * 1024 * (1 << 30), "32 TiB"}};
  }

  void draw_way(MemoryWay way) {
    std::vector<std::pair<double, double>> points;
    const auto bytes_at = [&](double tokens) {
      return memory_need(way, {static_cast<std::int64_t>(tokens), sequence_.devices}).bytes();
    };
    for (double tokens = fewest; tokens <= most; tokens *= 2) points.emplace_back(tokens, bytes_at(tokens));
    const Color color = color_of(theme_, way);
    chart_.draw_line(points, color, 3);
    const auto tokens = static_cast<double>(sequence_.tokens);
    const Rect& plot = chart_.plot();
    const Point here{chart_.x_of(tokens), chart_.y_of(bytes_at(tokens))};
    if (here.y > plot.y && here.y < plot.bottom()) canvas_.disc(here, 6, color);
    // The name of the lowest line below it, the others above their right end or where they leave the plot
    const std::string name = memory_need(way, sequence_).name;
    if (way == MemoryWay::ring) {
      const double middle = most / 64;
      const float x = chart_.x_of(middle) + 12;
      chart_.label({x, chart_.y_of(bytes_at(middle)) + 8, plot.right() - x, line_h_}, name, Face::body,
                   color);
      return;
    }
    double end = most / 2;
    while (bytes_at(end) > high / 16 && end > fewest) end /= 2;
    const Rect place{plot.x, chart_.y_of(bytes_at(end)) - line_h_ - 8, chart_.x_of(end) - plot.x - 12,
                     line_h_};
    chart_.label(place, name, Face::body, color, Align::right);
  }

  Canvas& canvas_;
  const Theme& theme_;
  const LongSequence& sequence_;
  float line_h_;
  LogChart chart_;
};

// The bytes that the engine counted in the run, beside those of the formula
std::string count_of_engine(const Frame& frame) {
  double counted = 0;
  std::vector<double> held(static_cast<std::size_t>(frame.recording.devices()));
  for (const Event& event : frame.recording.events()) {
    double& bytes = held[static_cast<std::size_t>(event.id.device)];
    if (event.kind == EventKind::alloc) bytes += static_cast<double>(event.bytes);
    if (event.kind == EventKind::free) bytes -= static_cast<double>(event.bytes);
    counted = std::max(counted, bytes);
  }
  const TraceHeader& header = frame.recording.header();
  return "a run of " + std::to_string(header.Sq) + " tokens on " + std::to_string(header.devices) +
         " devices: the engine counted " + number_text(counted) + " B on a device, the formula gives " +
         number_text(allocated_bytes(header)) + " B";
}

std::string description(const LongSequence& sequence) {
  return "N = " + tokens_text(sequence.tokens) + " tokens, 32 heads of 128, float32";
}

bool say_unknown(Canvas& canvas, const Rect& room, const LongSequence& sequence) {
  if (!sequence.known())
    canvas.paragraph(room, "This run does not stand for a long sequence.", Face::body,
                     canvas.theme().faint_ink);
  return !sequence.known();
}

}  // namespace

void draw_memory_bars(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const LongSequence& sequence = frame.recording.sequence;
  Rect room = draw_panel(canvas, rect, "One layer", sequence.known() ? description(sequence) : "");
  if (say_unknown(canvas, room, sequence)) return;
  const float h = std::min((room.h - 20) / 3, 100.f);
  if (h < canvas.line_height(Face::body) + 18 || room.w < 260) return;
  for (const MemoryWay way : memory_ways) draw_need(canvas, room.take_top(h, 10), way, sequence);
}

void draw_memory_growth(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const LongSequence& sequence = frame.recording.sequence;
  Rect room = draw_panel(canvas, rect, "Bytes on each device", "as the engine allocates them");
  if (say_unknown(canvas, room, sequence)) return;
  const std::string count = count_of_engine(frame);
  if (canvas.text_size(count, Face::small).w <= room.w && room.h >= 220)
    canvas.fitting_text(room.take_bottom(canvas.line_height(Face::small) + 2, 6), {count}, Face::small,
                        canvas.theme().faint_ink);
  if (room.w >= 260 && room.h >= 120) GrowthChart(canvas, sequence, room).draw();
}

}  // namespace ringattn::viz

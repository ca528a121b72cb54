#include <algorithm>
#include <cmath>
#include <string>

#include "visualizer/model/costs/memory_model.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/panel.h"
#include "visualizer/view/panels/strategy_text.h"

namespace ringattn::viz {

namespace {

double largest_peak(const std::vector<DeviceMemory>& devices) {
  double peak = 1;
  for (const DeviceMemory& device : devices) peak = std::max(peak, static_cast<double>(device.peak));
  return peak;
}

// Whether a run is over: nothing is allocated any more
bool all_freed(const std::vector<DeviceMemory>& devices) {
  return std::all_of(devices.begin(), devices.end(),
                     [](const DeviceMemory& each) { return each.bytes == 0 && each.peak > 0; });
}

// A bar for each device, and one for a single device with the whole score matrix.
class MemoryBars {
 public:
  MemoryBars(Canvas& canvas, const Frame& frame, Rect room)
      : canvas_(canvas),
        frame_(frame),
        theme_(canvas.theme()),
        devices_(memory(frame.recording, frame.moment)),
        naive_(naive_memory(frame.recording.header())),
        line_h_(canvas.line_height(Face::small)) {
    const bool wide = room.w > 420;
    labels_w_ = wide ? 72.f : 38.f, numbers_w_ = wide ? 84.f : 66.f;
    computed_ =
        room.take_bottom(std::clamp(room.h / static_cast<float>(devices_.size() + 1), line_h_ + 4, 48.f), 8);
    rows_ = room;
    pitch_ = std::min(72.f, room.h / static_cast<float>(devices_.size()));
    // Directly below the last device
    computed_.y = room.y + pitch_ * static_cast<float>(devices_.size()) + 8;

    // Runs side by side on equally many devices have one scale
    double peak = largest_peak(devices_);
    for (const Recording* run : frame.beside)
      if (run->devices() == frame.recording.devices())
        peak = std::max(peak, largest_peak(memory(*run, moment(*run, frame.moment.t, frame.moment.clock))));
    // The labels of the buffers need the width: if the whole score matrix takes more, its bar extends beyond the panel
    unit_ = columns(rows_).main.w / static_cast<float>(peak / 0.85);
  }

  void draw() {
    for (std::size_t d = 0; d < devices_.size(); ++d) draw_device(static_cast<int>(d));
    draw_naive();
  }

 private:
  struct Columns {
    Rect label, main, number;
  };
  Columns columns(Rect row) const {
    Columns columns;
    columns.label = row.take_left(labels_w_, 6);
    columns.number = row.take_right(numbers_w_, 10);
    columns.main = row;
    return columns;
  }
  float length(double bytes) const { return unit_ * static_cast<float>(bytes); }

  void draw_device(int id) {
    const DeviceMemory& device = devices_[static_cast<std::size_t>(id)];
    const Rect row{rows_.x, rows_.y + pitch_ * static_cast<float>(id), rows_.w, pitch_};
    const auto [label, main, number] = columns(row.inset(0, pitch_ > 14 ? 3.f : 0.5f));
    float x = main.x;
    for (const Allocation& allocation : shown(id)) {
      const Rect segment{x, main.y, length(static_cast<double>(allocation.bytes)), main.h};
      draw_allocation(segment, allocation, id);
      x = segment.right();
    }
    if (device.peak > 0) draw_peak(device, main);

    // Names and numbers of all devices, or of every n-th if there is little room
    const int every = static_cast<int>(std::ceil(line_h_ / pitch_));
    if (id % every != 0 || row.y + row.h / 2 + line_h_ / 2 > computed_.y) return;
    const bool highlighted = frame_.selection.device == id || frame_.selection.highlights(Target::device(id));
    const auto at_row = [this, middle = main.centre().y](const Rect& column) {
      return around({column.centre().x, middle}, column.w, line_h_);
    };
    canvas_.fitting_text(at_row(label), {"device " + std::to_string(id), std::to_string(id)}, Face::small,
                         highlighted ? theme_.accent : theme_.faint_ink, Align::right);
    // After the run the bar is that of the peak
    const bool over = device.bytes == 0 && device.peak > 0;
    const std::string bytes = bytes_text(static_cast<double>(over ? device.peak : device.bytes));
    canvas_.fitting_text(at_row(number), {over ? "peak " + bytes : bytes, bytes}, Face::small,
                         over ? theme_.faint_ink : theme_.ink);
    canvas_.element(label, Target::device(id), device.peak_since, "device " + std::to_string(id));
  }

  void draw_peak(const DeviceMemory& device, const Rect& main) {
    const float x = main.x + length(static_cast<double>(device.peak));
    canvas_.line({x, main.y - 2}, {x, main.bottom() + 2}, theme_.ink, 2);
    canvas_.element({x - 3, main.y, 6, main.h},
                    Target::event(device.peak_since.device, device.peak_since.sequence), device.peak_since,
                    "peak " + bytes_text(static_cast<double>(device.peak)));
  }

  void draw_allocation(const Rect& segment, const Allocation& allocation, int device) {
    const bool slot = is_slot(allocation);
    const bool stationary =
        !allocation.slot && (allocation.what.substr(0, 1) == "Q" || allocation.what.substr(0, 1) == "K" ||
                             allocation.what == "V");
    // In a tree all devices have all queries
    const bool of_all =
        allocation.what == "Q" && frame_.recording.distribution().strategy() == Strategy::tree;
    std::vector<std::string> names{std::string(allocation.what)};
    const auto name_as_block = [&](int owner) {
      names = block_labels(frame_.recording, allocation.what, owner, attends(shown(device)));
      names.back() = allocation.what;
    };
    Color ink = theme_.ink;
    const Rect inner = segment.w > 3 ? Rect{segment.x, segment.y, segment.w - 1, segment.h} : segment;
    const float radius = std::min(3.f, inner.w / 3);
    // A filled slot, an empty slot, a stationary block, or other memory
    if (allocation.block >= 0) {
      canvas_.block(inner, allocation.block, radius);
      name_as_block(allocation.block);
      ink = theme_.ink_on(theme_.of(allocation.block));
    } else if (slot) {
      canvas_.frame(inner, theme_.outline, 1, radius);
      ink = theme_.faint_ink;
    } else if (stationary) {
      canvas_.fill(inner, mix(theme_.raised, theme_.of(device), 0.18), radius);
      canvas_.frame(inner, theme_.of(device), 2, radius);
      if (!of_all) name_as_block(device);
    } else {
      canvas_.fill(inner, mix(theme_.raised, theme_.ink, allocation.what.substr(0, 1) == "m" ? 0.28 : 0.14),
                   radius);
    }
    const Target target = allocation.block >= 0
                              ? Target::block(allocation.block)
                              : Target::event(allocation.since.device, allocation.since.sequence);
    if (frame_.selection.highlights(target)) canvas_.frame(inner, theme_.ink, 2, radius);
    canvas_.fitting_text(inner.inset(3, 0), names, Face::small, ink, Align::centre);
    canvas_.element(segment, target, allocation.since,
                    std::string(allocation.what) + ": " + bytes_text(static_cast<double>(allocation.bytes)));
  }

  // What the device holds now, or has held at its peak if it has freed all
  const std::vector<Allocation>& shown(int device) const {
    const DeviceMemory& memory = devices_[static_cast<std::size_t>(device)];
    return memory.held.empty() ? memory.held_at_peak : memory.held;
  }

  bool is_slot(const Allocation& allocation) const {
    return allocation.slot || allocation.what == "dK dV" || allocation.what == "dQ";
  }

  // A dashed outline, because it is computed and not measured
  void draw_naive() {
    const auto [label, main, number] = columns(computed_);
    canvas_.fitting_text(label, {"all scores", "naive"}, Face::small, theme_.faint_ink, Align::right);
    canvas_.fitting_text(number, {bytes_text(naive_.bytes())}, Face::small, theme_.ink);
    float x = main.x;
    for (const auto& [name, bytes] :
         {std::pair{"N \xc3\x97 N scores", naive_.scores}, std::pair{"Q K V O", naive_.inputs_and_output}}) {
      Rect part{x, main.y, length(bytes), main.h};
      x = part.right();
      part.w = std::min(part.w, main.right() - part.x);
      if (part.w > 0) draw_computed(part, name);
    }
    // Show that the bar continues beyond the panel
    if (x > main.right() + 1) draw_torn_edge(main);
    const std::vector<Span>& spans = frame_.recording.spans().all();
    const EventId run = spans.empty() ? EventId{} : spans.front().begin->id;
    canvas_.element(
        computed_, Target::panel("memory"), run,
        "one device with the whole score matrix: " + bytes_text(naive_.bytes()) + ", computed, not measured");
  }

  void draw_computed(const Rect& rect, const char* name) {
    for (const float y : {rect.y, rect.bottom()})
      canvas_.dashed({rect.x, y}, {rect.right(), y}, theme_.faint_ink, 1, 4);
    for (const float x : {rect.x, rect.right()})
      canvas_.dashed({x, rect.y}, {x, rect.bottom()}, theme_.faint_ink, 1, 4);
    canvas_.fitting_text(rect.inset(4, 0), {name}, Face::small, theme_.faint_ink, Align::centre);
  }

  void draw_torn_edge(const Rect& main) {
    const float tooth = main.h / 4;
    canvas_.fill({main.right() - 4, main.y - 1, 8, main.h + 2}, theme_.panel);
    std::vector<Point> edge;
    for (int i = 0; i <= 4; ++i)
      edge.push_back({main.right() + (i % 2 ? 3.f : -3.f), main.y + tooth * static_cast<float>(i)});
    canvas_.polyline(edge, theme_.faint_ink, 1.2f);
  }

  Canvas& canvas_;
  const Frame& frame_;
  const Theme& theme_;
  std::vector<DeviceMemory> devices_;
  ComputedMemory naive_;
  float line_h_, labels_w_ = 0, numbers_w_ = 0, pitch_ = 0, unit_ = 0;
  Rect rows_, computed_;
};

}  // namespace

void draw_memory(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const bool over = all_freed(memory(frame.recording, frame.moment));
  const Rect room = draw_panel(canvas, rect, frame.heading("Memory"),
                               over ? "peak of each device" : "allocated on each device");
  MemoryBars(canvas, frame, room).draw();
}

}  // namespace ringattn::viz

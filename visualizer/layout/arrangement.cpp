#include "visualizer/layout/arrangement.h"

#include <cstdlib>

namespace ringattn::viz {

namespace {

constexpr float panel_gap = 10;

Size least(const Arrangement& arrangement, std::size_t parts) {
  if (arrangement.parts.empty()) return min_size(arrangement.panel);
  Size sum;
  for (std::size_t i = 0; i < parts; ++i) {
    const Arrangement& part = arrangement.parts[i];
    // A nested arrangement may shrink to its first part
    const Size size = least(part, std::min<std::size_t>(part.parts.size(), 1));
    const float space = i ? panel_gap : 0;
    if (arrangement.stacked)
      sum.h += size.h + space, sum.w = std::max(sum.w, size.w);
    else
      sum.w += size.w + space, sum.h = std::max(sum.h, size.h);
  }
  return sum;
}

void place_in(const Arrangement& arrangement, Rect room, std::vector<PlacedPanel>& placed) {
  if (arrangement.parts.empty()) {
    placed.push_back({arrangement.panel, arrangement.run, room});
    return;
  }
  const bool stacked = arrangement.stacked;
  std::size_t count = arrangement.parts.size();
  const auto fits = [&](std::size_t parts) {
    const Size size = least(arrangement, parts);
    return stacked ? size.h <= room.h : size.w <= room.w;
  };
  while (count > 1 && !fits(count)) --count;

  // Each part gets its share, but never less than its minimum; the remaining space is shared among the other parts
  float weights = 0;
  for (std::size_t i = 0; i < count; ++i) weights += arrangement.parts[i].weight;
  for (std::size_t i = count; i-- > 0;) {
    const Arrangement& part = arrangement.parts[i];
    const float whole = stacked ? room.h : room.w;
    const Size need = least(part, std::min<std::size_t>(part.parts.size(), 1));
    const float others = [&] {
      const Size size = least(arrangement, i);
      return i ? (stacked ? size.h : size.w) + panel_gap : 0;
    }();
    const float share = (whole - panel_gap * static_cast<float>(i)) * part.weight / weights;
    const float extent =
        i == 0 ? whole : std::min(std::max(share, stacked ? need.h : need.w), whole - others);
    place_in(part, stacked ? room.take_bottom(extent, panel_gap) : room.take_right(extent, panel_gap),
             placed);
    weights -= part.weight;
  }
}

}  // namespace

Arrangement Arrangement::named(const std::string& name) {
  const std::size_t colon = name.find(':');
  Arrangement panel = of(name.substr(0, colon));
  if (colon != std::string::npos) panel.run = std::atoi(name.c_str() + colon + 1);
  return panel;
}

std::vector<std::string> Arrangement::names() const {
  if (parts.empty()) return {name()};
  std::vector<std::string> all;
  for (const Arrangement& part : parts)
    for (std::string& each : part.names()) all.push_back(std::move(each));
  return all;
}

namespace {

struct PanelSize {
  const char* panel;
  Size least;
};
constexpr PanelSize panel_sizes[] = {
    {"ring", {420, 230}},    {"matrix", {190, 180}},   {"microscope", {380, 270}}, {"timeline", {320, 110}},
    {"memory", {300, 150}},  {"knobs", {250, 200}},    {"code", {420, 200}},       {"inspector", {260, 120}},
    {"tile", {640, 360}},    {"chain", {420, 300}},    {"tree", {420, 260}},       {"orders", {360, 200}},
    {"hiding", {400, 240}},  {"machines", {360, 200}}, {"bars", {360, 180}},       {"growth", {360, 180}},
    {"million", {360, 200}}, {"recall", {520, 260}}};

const PanelSize* size_of(const std::string& panel) {
  for (const PanelSize& each : panel_sizes)
    if (panel == each.panel) return &each;
  return nullptr;
}

}  // namespace

bool is_panel(const std::string& panel) { return size_of(panel); }

std::string panel_names() {
  std::string names;
  for (const PanelSize& each : panel_sizes) names += (names.empty() ? "" : ", ") + std::string(each.panel);
  return names;
}

Size min_size(const std::string& panel) {
  const PanelSize* const size = size_of(panel);
  return size ? size->least : Size{};
}

std::vector<PlacedPanel> place(const Arrangement& arrangement, const Rect& room) {
  std::vector<PlacedPanel> placed;
  place_in(arrangement, room, placed);
  return placed;
}

}  // namespace ringattn::viz

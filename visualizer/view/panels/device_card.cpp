#include "visualizer/view/panels/device_card.h"

#include <algorithm>
#include <string>

#include "visualizer/interaction/commands.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/strategy_text.h"

namespace ringattn::viz {

void draw_block_label(Canvas& canvas, const Rect& rect, const Recording& recording, std::string_view what,
                      int owner, bool exchanged, Face face, Color ink) {
  const auto fit = [&](const std::string& text, Face each) {
    const Size size = canvas.text_size(text, each);
    return size.w <= rect.w && size.h <= rect.h;
  };
  const std::vector<std::string> labels = block_labels(recording, what, owner, exchanged),
                                 widest = block_labels(recording, what, recording.devices() - 1, exchanged);
  std::size_t form = 0;
  while (form + 1 < labels.size() && !fit(widest[form], Face::small)) ++form;
  canvas.fitting_text(rect, {labels[form]}, fit(widest[form], face) ? face : Face::small, ink, Align::centre);
}

Rect between(const Rect& from, const Rect& to, double fraction) {
  const double x = std::clamp(fraction, 0.0, 1.0);
  const auto part = static_cast<float>(x * x * (3 - 2 * x));
  return {from.x + (to.x - from.x) * part, from.y + (to.y - from.y) * part, from.w + (to.w - from.w) * part,
          from.h + (to.h - from.h) * part};
}

DeviceCard::DeviceCard(Canvas& canvas, const Frame& frame, int device, const Rect& rect)
    : canvas_(canvas),
      frame_(frame),
      theme_(canvas.theme()),
      id_(device),
      now_(frame.moment.devices[static_cast<std::size_t>(device)]),
      rect_(rect),
      large_(rect.w >= 250 && rect.h >= 150) {
  find_places();
}

// The blocks that a device may hold beside the one in use
int DeviceCard::waiting_slots() const {
  const Distribution& distribution = frame_.recording.distribution();
  const int devices = frame_.recording.devices();
  switch (distribution.strategy()) {
    case Strategy::all_gather:
      return devices - 1;
    case Strategy::bidirectional:
      return devices > 1 ? 3 : 1;  // the other direction, and one on its way in each
    case Strategy::double_ring:
      return distribution.steps() > devices ? 2 : devices > 1;
    case Strategy::ulysses:
    case Strategy::usp:
      return distribution.steps() > 1;
    case Strategy::tree:
      return 0;
    default:
      return 1;
  }
}

// With an exchange of heads: the rows and heads of a device, and the messages that it has received
std::string DeviceCard::rows_and_heads() const {
  const Distribution& distribution = frame_.recording.distribution();
  if (!distribution.exchanges_heads() || now_.activity == Activity::finished) return {};
  const bool backward =
      frame_.recording.header().passes[static_cast<std::size_t>(frame_.moment.pass)] == "backward";
  const bool before = now_.step < 0;
  const int kinds = before || backward ? 2 : 1, all = kinds * (distribution.group() - 1);
  const std::string received = std::to_string(now_.pieces) + " of " + std::to_string(all) + " messages";
  if (before) return "own rows, all heads" + (all > 0 ? "; " + received : "");
  if (now_.pieces > 0) return "results: " + received;
  const std::vector<int> owners = distribution.query_owners(id_);
  std::string rows = "own rows, ";
  if (owners.size() == frame_.moment.devices.size())
    rows = "all rows, ";
  else if (owners.size() > 1)
    rows =
        "rows of " + std::to_string(owners.front()) + " \xe2\x80\xa6 " + std::to_string(owners.back()) + ", ";
  return rows + heads_text(frame_.recording, distribution.range_of(id_));
}

void DeviceCard::find_places() {
  Rect room = rect_.inset(std::min(12.f, rect_.w / 14), std::min(10.f, rect_.h / 10));
  const float line = canvas_.line_height(large_ ? Face::heading : Face::strong),
              small = canvas_.line_height(Face::small);
  places_.progress = room.take_bottom(std::clamp(room.h / 6, 3.f, 14.f), std::min(7.f, room.h / 10));
  // A heading, or only the number if the blocks and their gradients need the room
  const float number_w = canvas_.text_size("00", Face::strong).w;
  const std::string& pass = frame_.recording.header().passes[static_cast<std::size_t>(frame_.moment.pass)];
  const float least = pass == "backward" ? 2 * small + 4 : 1.3f * line;
  if (room.h > line + 5 + least) {
    places_.heading = room.take_top(line, 5);
    if (!badge_text().empty() && room.h >= 2 * small + 24) places_.badge = room.take_top(small, 3);
    if (!rows_and_heads().empty() && room.h >= 2 * small + 24) places_.heads = room.take_top(small, 3);
  } else if (room.w >= 1.8f * number_w) {
    places_.number = room.take_left(number_w, 4);
  }
  if (room.h < 8 || room.w < 16) return;

  // The stationary block on the left, the two slots of the travelling blocks on the right
  room = around(room.centre(), room.w, std::min(room.h, large_ ? 64.f : 46.f));
  const float gap = std::min(8.f, room.w / 16);
  // It gets the width of its label, if that leaves enough for the slots
  const std::string label = block_label(stationary_label(frame_.recording), frame_.recording.devices() - 1);
  const float label_w = canvas_.text_size(label, Face::small).w + 6;
  if (room.w >= 92)
    places_.stationary =
        room.take_left((room.w - 2 * gap) * std::clamp(label_w / (room.w - 2 * gap), 0.26f, 0.42f), gap);
  const bool alone = room.w < 44 || waiting_slots() == 0;
  places_.in_use = alone ? room : room.take_left((room.w - gap) * (room.w < 70 ? 0.62f : 0.5f), gap);
  if (places_.in_use.x != room.x) places_.incoming = room;

  // In the backward pass gradients are below the blocks that they belong to
  if (pass != "backward" || room.h < 2 * small + 4) return;
  for (const auto& [block, gradient] : {std::pair{&places_.stationary, &places_.stationary_gradient},
                                        std::pair{&places_.in_use, &places_.in_use_gradient}})
    if (!block->empty()) *gradient = block->take_bottom(block->h / 2 - 2, 4);
}

void DeviceCard::draw() {
  const bool highlighted = frame_.selection.device == id_ || frame_.selection.highlights(Target::device(id_));
  const float radius = std::min(8.f, rect_.h / 8);
  canvas_.fill(rect_, theme_.raised, radius);
  const Color edge = is_stalled() ? theme_.wrong : highlighted ? theme_.accent : theme_.outline;
  canvas_.frame(rect_, edge, highlighted || is_stalled() ? 2.f : 1.f, radius);
  canvas_.element(rect_, Target::device(id_), now_.doing ? now_.doing->begin->id : EventId{},
                  "device " + std::to_string(id_));

  draw_progress();
  if (!places_.heading.empty()) draw_heading(places_.heading);
  canvas_.fitting_text(places_.badge, {badge_text(), is_stalled() ? "stalled" : "slow link"}, Face::small,
                       theme_.wrong);
  canvas_.fitting_text(places_.heads, {rows_and_heads()}, Face::small, theme_.faint_ink);
  draw_number();
  draw_gradients();
  draw_stationary();
  if (!places_.incoming.empty()) draw_waiting();
  if (!places_.in_use.empty()) draw_slot(in_use(), now_.holds, true);
}

// ---- The heading ----------------------------------------------------------------

void DeviceCard::draw_heading(Rect line) {
  const Face face = large_ ? Face::heading : Face::strong;
  const std::string name = std::to_string(id_);
  const Rect title = line.take_left(std::max(line.w * 0.45f, canvas_.text_size(name, face).w), 4);
  // The same form for all devices
  const std::string last = std::to_string(frame_.recording.devices() - 1);
  std::string prefix;
  for (const char* const each : {"dev ", "device "})
    if (canvas_.text_size(each + last, face).w <= title.w) prefix = each;
  canvas_.fitting_text(title, {prefix + name, name}, face, theme_.ink);
  draw_state(line);
}

// On a small card, the colour of the number shows the activity
void DeviceCard::draw_number() {
  const Color color = now_.activity == Activity::waiting    ? theme_.wait
                      : now_.activity == Activity::finished ? theme_.right
                                                            : theme_.ink;
  canvas_.fitting_text(places_.number, {std::to_string(id_)}, Face::strong, color);
}

// The interventions in a live run
std::string DeviceCard::badge_text() const {
  const bool slowed = frame_.live && frame_.live->slowed.count(id_) > 0;
  const std::string stalled = is_stalled() ? "stalled: " + key_of("stall") + " resumes" : "";
  return stalled + (!stalled.empty() && slowed ? ", " : "") + (slowed ? "slow link" : "");
}

void DeviceCard::draw_state(const Rect& place) {
  const Face face = large_ ? Face::body : Face::small;
  const std::string share = percent_text(now_.fraction);
  // A device of a live run that waits at its gate
  if (frame_.live && frame_.live->waiting.count(id_) && !computes())
    canvas_.fitting_text(place, {is_stalled() ? "stalled" : "waits for you: \xe2\x86\x92", "waits"}, face,
                         is_stalled() ? theme_.wrong : theme_.accent, Align::right);
  else if (computes())
    canvas_.fitting_text(place, {"computes " + share, share}, face, theme_.ink, Align::right);
  else if (now_.activity == Activity::waiting)
    draw_wait(place, face);
  else if (now_.activity == Activity::finished)
    canvas_.fitting_text(place, {"done"}, face, theme_.right, Align::right);
}

void DeviceCard::draw_wait(const Rect& place, Face face) {
  const Event& wait = *now_.doing->begin;
  // The event after a wait names what the device waits for
  const Span* next = frame_.recording.spans().find({id_, wait.id.sequence + 1});
  const std::string message = next ? std::string(next->begin->what) : "a message";
  const bool sends = wait.kind == EventKind::send, blocked = sends && !frame_.live;
  const std::string what = blocked                     ? "blocked in its send"
                           : sends                     ? "sends " + message
                           : wait.why == "send_buffer" ? "waits for room"
                                                       : "waits for " + message;
  canvas_.fitting_text(place, {what, blocked ? "blocked" : "waits"}, face,
                       blocked ? theme_.wrong : theme_.faint_ink, Align::right);
}

// ---- The blocks -----------------------------------------------------------------

// A block that has arrived before slides to its place when the device begins to use it
Rect DeviceCard::in_use() const {
  const Rect &to = places_.in_use, &from = places_.incoming;
  const double part = now_.fraction / slide_share;
  if (!computes() || now_.step == 0 || part >= 1 || from.empty() || !now_.waiting.empty() ||
      frame_.settings.reduced_motion || !frame_.recording.distribution().is_ring())
    return to;
  return between(from, to, part);
}

// The gradient of the stationary block grows with each block; the other one is the contribution of this device
void DeviceCard::draw_gradients() {
  const bool queries = frame_.recording.header().queries_rotate();
  const double done = static_cast<double>(now_.absorbed.size()) + now_.fraction * computes();
  if (!places_.stationary_gradient.empty())
    draw_gradient(places_.stationary_gradient, queries ? "dK dV" : "dQ", id_,
                  done / frame_.recording.distribution().blocks());
  if (!places_.in_use_gradient.empty() && now_.holds.owner >= 0)
    draw_gradient(places_.in_use_gradient, queries ? "dQ" : "dK dV", now_.holds.owner,
                  computes() ? now_.fraction : 0);
}

// A result, outlined in the colour of its owner and filled as far as it is computed
void DeviceCard::draw_gradient(const Rect& rect, std::string_view what, int owner, double fraction) {
  const Color color = theme_.of(owner);
  canvas_.fill({rect.x, rect.y, rect.w * static_cast<float>(std::min(fraction, 1.0)), rect.h},
               mix(theme_.raised, color, 0.35), 4);
  canvas_.frame(rect, color, 1.5f, 4);
  canvas_.fitting_text(rect.inset(2, 0), block_labels(frame_.recording, what, owner, exchanged()),
                       Face::small, theme_.ink, Align::centre);
}

void DeviceCard::draw_stationary() {
  const Rect& rect = places_.stationary;
  const std::string_view what = stationary_label(frame_.recording);
  if (rect.empty()) return;
  const Recording& run = frame_.recording;
  const bool empty = run.has_row_owners() &&
                     (run.header().queries_rotate() ? run.key_rows(id_) : run.query_rows(id_)).empty();
  if (empty) return canvas_.frame(rect, mix(theme_.raised, theme_.outline, 0.8), 1, 4);
  const Color color = theme_.of(id_);
  canvas_.fill(rect, mix(theme_.raised, color, 0.18), 4);
  canvas_.frame(rect, color, 2, 4);
  // In a tree all devices have all queries
  const bool all = run.distribution().strategy() == Strategy::tree;
  // Without the heads, if the room is too small for them
  std::vector<std::string> labels{std::string(what)};
  if (!all) labels.insert(labels.begin(), block_labels(run, what, id_, exchanged()).front());
  if (!all && !run.distribution().exchanges_heads()) labels.pop_back();
  const Size size = canvas_.text_size(labels.front(), block_face());
  const bool fits = size.w <= rect.w - 8 && size.h <= rect.h;
  canvas_.fitting_text(rect, labels, fits ? block_face() : Face::small, theme_.ink, Align::centre);
}

// The slots beside the one in use, in up to two rows
void DeviceCard::draw_waiting() {
  const int slots = waiting_slots(), rows = slots > 3 ? 2 : 1, columns = (slots + rows - 1) / rows;
  const Rect& room = places_.incoming;
  const float w = room.w / static_cast<float>(columns), h = room.h / static_cast<float>(rows);
  const float gap = slots > 1 ? std::min(2.f, w / 6) : 0;
  for (int i = 0; i < slots; ++i) {
    const auto index = static_cast<std::size_t>(i);
    const int row = i / columns, column = i % columns;
    const Rect slot{room.x + w * static_cast<float>(column), room.y + h * static_cast<float>(row), w - gap,
                    h - (rows > 1 ? gap : 0)};
    draw_slot(slot, index < now_.waiting.size() ? now_.waiting[index] : SlotContents{}, false);
  }
}

void DeviceCard::draw_slot(const Rect& rect, const SlotContents& slot, bool in_use) {
  const std::string_view what = traveling_label(frame_.recording);
  const float radius = std::min(4.f, rect.h / 6);
  if (slot.owner < 0) {
    canvas_.frame(rect, mix(theme_.raised, theme_.outline, 0.8), 1, radius);
    return;
  }
  const Target target = Target::block(slot.owner);
  canvas_.block(rect, slot.owner, radius);
  const bool working = in_use && now_.activity == Activity::computing;
  if (working) canvas_.frame(rect.inset(-2), theme_.accent, 2, radius + 1);
  if (frame_.selection.highlights(target)) canvas_.frame(rect.inset(-3), theme_.ink, 2, radius + 2);
  const Color ink = theme_.ink_on(theme_.of(slot.owner));
  draw_block_label(canvas_, rect.inset(2, 0), frame_.recording, what, slot.owner, exchanged(), block_face(),
                   ink);
  canvas_.element(rect, target, slot.since);
}

// ---- The absorbed blocks ----------------------------------------------------------

// One segment for each step, in the colour of its block, and in a tree for each merge
void DeviceCard::draw_progress() {
  const Rect& rect = places_.progress;
  const Distribution& distribution = frame_.recording.distribution();
  const int steps = distribution.blocks() + distribution.merges(id_);
  const float w = rect.w / static_cast<float>(steps);
  const float gap = std::min(2.f, w / 6);
  const auto segment = [&](int step) {
    return Rect{rect.x + w * static_cast<float>(step), rect.y, w - gap, rect.h};
  };
  // Outline the steps to come, or fill the background if the outlines would be too dense
  if (w >= 8)
    for (int step = 0; step < steps; ++step) canvas_.frame(segment(step), theme_.outline, 1, 2);
  else
    canvas_.fill(rect, mix(theme_.raised, theme_.outline, 0.5), 1);
  // Other strategies than a ring have steps without arithmetic, or several blocks in a step
  int place = 0;
  const auto next = [&](int step) { return std::min(distribution.is_ring() ? step : place++, steps - 1); };
  for (const AbsorbedBlock& each : now_.absorbed) draw_absorbed(segment(next(each.step)), *each.compute, 1);
  if (now_.activity == Activity::computing)
    draw_absorbed(segment(next(now_.step)), *now_.doing, now_.fraction);
  for (const Event* state : now_.merged) {
    const Rect merge = segment(next(0));
    canvas_.block(merge, state->peer, 2);
    canvas_.element(merge, Target::event(state->id.device, state->id.sequence), state->id,
                    "merged the state of device " + std::to_string(state->peer));
  }
}

void DeviceCard::draw_absorbed(const Rect& segment, const Span& compute, double fraction) {
  const Event& event = *compute.begin;
  Rect filled = segment;
  filled.w *= static_cast<float>(fraction);
  if (event.mask_class == "skipped")
    canvas_.hatch(segment, theme_.of(event.owner), 4, 1);
  else
    canvas_.block(filled, event.owner, 2);
  canvas_.element(segment, Target::event(event.id.device, event.id.sequence), event.id);
}

}  // namespace ringattn::viz

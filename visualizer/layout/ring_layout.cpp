#include "visualizer/layout/ring_layout.h"

#include <cmath>

namespace ringattn::viz {

namespace {

constexpr Size largest_card{300, 190}, usual_card{212, 132}, min_middle{180, 44};
constexpr float widest_strip = 64, crossed_share = 0.36f;

float gap_in(float extent, int cards) { return std::min(14.f, extent / static_cast<float>(6 * cards)); }

// The offset of the piece _index_ of _count_ pieces of size _extent_, as far apart as _room_ allows
float spread(float room, float extent, int index, int count) {
  return count == 1 ? (room - extent) / 2
                    : (room - extent) * static_cast<float>(index) / static_cast<float>(count - 1);
}

}  // namespace

RingLayout::RingLayout(const Rect& room, int devices, int tracks)
    : devices_(devices), crossed_(tracks == 0 && devices > 1) {
  measure_lanes(room, tracks);
  const Grid grid = best_grid();
  columns_ = grid.rows > 2;
  place_cards(grid);
  place_middle(grid);
  fit_flights();
}

// Lanes are as wide as the messages, but take no more than half of the room
void RingLayout::measure_lanes(const Rect& room, int tracks) {
  flight_ = {std::clamp(room.w * 0.085f, 26.f, 78.f), std::clamp(room.h * 0.07f, 18.f, 28.f)};
  lane_ = {flight_.w + 10, flight_.h + 8};
  const auto count = static_cast<float>(std::max(1, 4 * tracks));
  lane_ = {std::min(lane_.w, room.w / count), std::min(lane_.h, room.h / count)};
  room_ = room.inset(lane_.w * static_cast<float>(tracks), lane_.h * static_cast<float>(tracks));
}

// ---- Cards --------------------------------------------------------------------

RingLayout::Grid RingLayout::grid(int columns, int rows) const {
  const float gap_x = gap_in(room_.w, columns), gap_y = gap_in(room_.h, rows);
  const float strip = rows == 2 && crossed_ ? room_.h * crossed_share
                      : rows == 2           ? std::min(widest_strip, room_.h * 0.24f)
                                            : gap_y * static_cast<float>(rows - 1);
  Size card{(room_.w - gap_x * static_cast<float>(columns - 1)) / static_cast<float>(columns),
            (room_.h - strip) / static_cast<float>(rows)};
  // Leave room for text between two columns
  if (columns == 2 && rows != 2) card.w = std::min(card.w, std::max(room_.w / 3, (room_.w - 260) / 2));
  if (columns == 2 && crossed_) card.w = std::min(card.w, room_.w * (1 - crossed_share) / 2);
  card = {std::min(card.w, largest_card.w), std::min(card.h, largest_card.h)};
  card = {std::min(card.w, 3.2f * card.h), std::min(card.h, 0.8f * card.w)};
  return {columns, rows, card, std::min(card.w / usual_card.w, card.h / usual_card.h)};
}

// The devices are on the rim of a grid. If their number is odd, the last row has one device less
RingLayout::Grid RingLayout::best_grid() const {
  if (devices_ <= 2) return grid(devices_, 1);
  const int even = devices_ + devices_ % 2;
  Grid best = grid(even / 2, 2);
  for (int rows = 3; even / 2 - (rows - 2) >= 2; ++rows) {
    const Grid next = grid(even / 2 - (rows - 2), rows);
    const bool round = std::abs(next.columns - rows) < std::abs(best.columns - best.rows);
    if (next.score > best.score * (round ? 0.97f : 1.03f)) best = next;
  }
  return best;
}

// Device 0 is at the top left; the others follow clockwise, as far apart as the room allows
void RingLayout::place_cards(const Grid& grid) {
  const auto [columns, rows, card, score] = grid;
  const auto add = [&, size = card](float x, float y, Side side) {
    cards_.push_back({room_.x + x, room_.y + y, size.w, size.h});
    sides_.push_back(side);
  };
  const auto column = [&, w = card.w, count = columns](int c) { return spread(room_.w, w, c, count); };
  const auto row = [&, h = card.h, count = rows](int r) { return spread(room_.h, h, r, count); };
  const int missing = devices_ > 2 ? devices_ % 2 : 0;
  for (int c = 0; c < columns; ++c) add(column(c), row(0), rows == 1 && c == 1 ? Side::bottom : Side::top);
  for (int r = 1; r < rows - 1; ++r) add(column(columns - 1), row(r), Side::right);
  // The cards of the last row keep their distances if one is missing
  const float half = (column(1) - column(0)) / 2 * static_cast<float>(missing);
  if (rows > 1)
    for (int c = columns - 1; c >= missing; --c) add(column(c) - half, row(rows - 1), Side::bottom);
  for (int r = rows - 2; r > 0; --r) add(column(0), row(r), Side::left);
}

void RingLayout::place_middle(const Grid& grid) {
  const float gap = 12;
  const bool sides = grid.rows > 2 || devices_ == 2;
  const float across = sides ? grid.card.w + gap : 0;
  middle_ = {};
  if (devices_ == 1) return;
  const Rect inner = grid.rows == 1 ? room_.inset(across, 0) : room_.inset(across, grid.card.h + gap / 3);
  if (inner.w >= min_middle.w * 0.7f && inner.h >= min_middle.h * 0.5f) middle_ = inner;
}

RingLayout::Way RingLayout::inner_side(int device) const {
  const Rect& card = cards_[static_cast<std::size_t>(device)];
  const Point c = card.centre();
  // Two devices face each other
  if (devices_ == 2 && device == 0) return {{card.right(), c.y}, {1, 0}};
  if (devices_ == 2) return {{card.x, c.y}, {-1, 0}};
  const Side side = sides_[static_cast<std::size_t>(device)];
  // A device in a corner of the rim faces the middle with its corner
  const bool left = card.x<middle_.x, right = card.right()> middle_.right();
  if (columns_ && (side == Side::top || side == Side::bottom) && left != right) {
    const float diagonal = std::sqrt(0.5f);
    return {{left ? card.right() : card.x, side == Side::top ? card.bottom() : card.y},
            {left ? diagonal : -diagonal, side == Side::top ? diagonal : -diagonal}};
  }
  switch (side) {
    case Side::top:
      return {{c.x, card.bottom()}, {0, 1}};
    case Side::right:
      return {{card.x, c.y}, {-1, 0}};
    case Side::bottom:
      return {{c.x, card.y}, {0, -1}};
    case Side::left:
      break;
  }
  return {{card.right(), c.y}, {1, 0}};
}

// ---- The track ------------------------------------------------------------------

Rect RingLayout::track(int track) const {
  Rect all = cards_.front();
  for (const Rect& card : cards_) {
    const float right = std::max(all.right(), card.right()), bottom = std::max(all.bottom(), card.bottom());
    all.x = std::min(all.x, card.x), all.y = std::min(all.y, card.y);
    all.w = right - all.x, all.h = bottom - all.y;
  }
  const float out = static_cast<float>(track) + 0.5f;
  return all.inset(-lane_.w * out, -lane_.h * out);
}

// The connection of a device to the track, as a distance along the frame, clockwise from its top left corner
float RingLayout::port(int device, const Rect& frame) const {
  const Point c = cards_[static_cast<std::size_t>(device)].centre();
  switch (sides_[static_cast<std::size_t>(device)]) {
    case Side::top:
      return c.x - frame.x;
    case Side::right:
      return frame.w + c.y - frame.y;
    case Side::bottom:
      return frame.w + frame.h + frame.right() - c.x;
    case Side::left:
      break;
  }
  return 2 * frame.w + frame.h + frame.bottom() - c.y;
}

// The distance from the connection at which a message starts and ends
float RingLayout::clearance(int device) const {
  const Side side = sides_[static_cast<std::size_t>(device)];
  return 0.52f * (side == Side::top || side == Side::bottom ? flight_.w : flight_.h);
}

// Messages are narrower than their lanes, and shorter than the distance between any two neighbours
void RingLayout::fit_flights() {
  flight_ = {std::min(flight_.w, lane_.w - 4), std::min(flight_.h, lane_.h - 2)};
  if (devices_ < 3) return;
  for (int d = 0; d < devices_; ++d) {
    const auto next = static_cast<std::size_t>((d + 1) % devices_);
    const Side side = sides_[static_cast<std::size_t>(d)];
    if (side != sides_[next]) continue;
    const Point way = cards_[next].centre() - cards_[static_cast<std::size_t>(d)].centre();
    if (side == Side::top || side == Side::bottom)
      flight_.w = std::min(flight_.w, 0.7f * std::abs(way.x));
    else
      flight_.h = std::min(flight_.h, 0.7f * std::abs(way.y));
  }
}

std::pair<float, float> RingLayout::span(int from, int track) const {
  const Rect frame = this->track(track);
  const int to = (from + 1) % devices_;
  const float begin = port(from, frame);
  float end = port(to, frame);
  if (end <= begin) end += 2 * (frame.w + frame.h);
  return {begin + clearance(from), end - clearance(to)};
}

namespace {

// The point at distance _s_ along a frame, and the direction there
std::pair<Point, Point> along(const Rect& frame, float s) {
  s = std::fmod(s, 2 * (frame.w + frame.h));
  if (s < frame.w) return {{frame.x + s, frame.y}, {1, 0}};
  s -= frame.w;
  if (s < frame.h) return {{frame.right(), frame.y + s}, {0, 1}};
  s -= frame.h;
  if (s < frame.w) return {{frame.right() - s, frame.bottom()}, {-1, 0}};
  return {{frame.x, frame.bottom() - (s - frame.w)}, {0, -1}};
}

}  // namespace

Rect RingLayout::flight(int from, double fraction, int track) const {
  const auto [begin, end] = span(from, track);
  const Point centre = along(this->track(track), begin + (end - begin) * static_cast<float>(fraction)).first;
  return around(centre, flight_.w, flight_.h);
}

RingLayout::Way RingLayout::way(int from, int track) const {
  const auto [begin, end] = span(from, track);
  const auto [at, direction] = along(this->track(track), (begin + end) / 2);
  return {at, direction};
}

}  // namespace ringattn::viz

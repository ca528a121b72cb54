#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "visualizer/view/panels/labels.h"
#include "visualizer/view/softmax/softmax_bands.h"

namespace ringattn::viz {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// The scores as bars, with lines at the old and the new maximum. Shows the current block, and the blocks before it if
// all keys of the row fit.
class ScoreChart {
 public:
  ScoreChart(const SoftmaxView& view, const Rect& band)
      : view_(view),
        canvas_(view.canvas),
        theme_(view.canvas.theme()),
        row_(view.picture.row_update()),
        owner_(view.picture.shown->owner),
        columns_(view.columns(band)),
        line_h_(view.canvas.line_height(Face::small)) {
    keys_ = columns_.main.take_bottom(line_h_, 3);
    plot_ = columns_.main.inset(0, 2);
    const float all = plot_.w / static_cast<float>(view.frame.recording.header().Skv);
    if (!view.picture.met.empty() && all >= 44 && !view.frame.recording.header().queries_rotate()) {
      for (const Event* event : view.picture.met) add_bars(*event, 1);
      cell_ = std::min(all, 180.f);
    } else {
      // With too many keys, one bar stands for several neighbours
      const auto most = static_cast<std::size_t>(std::max(1.f, plot_.w / 5));
      add_bars(*view.picture.shown, std::max<std::size_t>(1, (row_.scores.size() + most - 1) / most));
      cell_ = std::min(plot_.w / static_cast<float>(std::max<std::size_t>(bars_.size(), 1)), 220.f);
    }
    values_fit_ = plot_.h >= 4.5f * line_h_;
    for (const Bar& bar : bars_)
      values_fit_ = values_fit_ && canvas_.text_size(short_number(bar.score), Face::small).w <= cell_ - 4;
  }

  void draw() {
    draw_labels();
    canvas_.line({plot_.x, y_of(0)}, {plot_.right(), y_of(0)}, theme_.outline);
    for (std::size_t i = 0; i < bars_.size(); ++i) draw_bar(i);
    draw_keys();
    draw_maxima();
    draw_overflow();
    for (std::size_t i = 0; i < bars_.size(); ++i) draw_value(i);
    if (fully_masked()) draw_fully_masked();
    draw_repetition();
  }

 private:
  static constexpr float ghost_h = 9;

  struct Bar {
    const Event* event;
    double score;    // the largest score of its keys; NaN if one is NaN
    Index key = -1;  // global row of the first key; -1: unknown
  };

  void add_bars(const Event& event, std::size_t group) {
    group_ = group;
    const std::vector<double>& scores = event.row->scores;
    const std::vector<Index>& keys = view_.frame.recording.key_rows(event.owner);
    for (std::size_t first = 0; first < scores.size(); first += group) {
      Bar bar{&event, -infinity, first < keys.size() ? keys[first] : -1};
      for (std::size_t k = first; k < std::min(first + group, scores.size()); ++k)
        if (std::isnan(scores[k]) || scores[k] > bar.score) bar.score = scores[k];
      bars_.push_back(bar);
    }
  }
  bool is_now(std::size_t i) const { return bars_[i].event == view_.picture.shown; }

  // Leaves room for a number below the lowest bar
  float y_of(double score) const {
    const float below = view_.picture.scores.low < 0 && plot_.h >= 6 * line_h_ ? line_h_ + 2 : 4;
    const float room = plot_.h - line_h_ / 2 - below;
    return plot_.bottom() - below - room * static_cast<float>(view_.picture.scores.part(score));
  }
  Rect cell(std::size_t i) const {
    return {plot_.x + cell_ * static_cast<float>(i), plot_.y, cell_, plot_.h};
  }
  bool fully_masked() const {
    for (const double score : row_.scores)
      if (score != -infinity) return false;
    return true;
  }
  // A remark above or below the zero line, where there is more room, to the right of the earlier blocks
  void draw_fully_masked() const {
    const float zero = y_of(0), top = std::isfinite(row_.m_after) ? y_of(row_.m_after) + 2 : plot_.y;
    const float above = zero - ghost_h - 2 - top, below = plot_.bottom() - zero - 2;
    std::size_t first = 0;
    while (first < bars_.size() && !is_now(first)) ++first;
    const float left = cell(first).x + (first > 0 ? 8 : 0);
    const Rect room{left, above >= below ? top : zero + 2, plot_.right() - left, std::max(above, below)};
    const bool same = row_.m_before == row_.m_after && row_.l_before == row_.l_after;
    const char* const block_alone =
        "this block alone: m = \xe2\x88\x92\xe2\x88\x9e, l = "
        "exp(\xe2\x88\x92\xe2\x88\x9e \xe2\x88\x92 (\xe2\x88\x92\xe2\x88\x9e)) = NaN";
    if (same)
      canvas_.fitting_text(room, {"no key of the block is visible: nothing changes", "nothing changes"},
                           Face::small, theme_.faint_ink);
    else if (view_.picture.update.rule == UpdateRule::masked_as_visible)
      canvas_.fitting_text(room, {block_alone, "l of the block = NaN", "NaN"}, Face::small, theme_.wrong);
    else
      canvas_.fitting_text(room, {"no key of the block is visible, but the row changes", "wrong change"},
                           Face::small, theme_.wrong);
  }

  // An earlier block of the row with the same scores: the device absorbed the same keys twice. -1: none
  int earlier_with_same_scores() const {
    for (const Event* event : view_.picture.met)
      if (event != view_.picture.shown && row_.scores.size() > 1 && !fully_masked() &&
          event->row->scores == row_.scores)
        return event->owner;
    return -1;
  }
  // A remark below or above the bars, where it covers no number
  void draw_repetition() const {
    const int owner = earlier_with_same_scores();
    if (owner < 0) return;
    const std::string remark = "the same scores as those of block " + std::to_string(owner);
    const float w = canvas_.text_size(remark, Face::small).w + 1;
    for (const float y : {y_of(0) + 2, plot_.bottom() - line_h_, plot_.y}) {
      const Rect place{plot_.right() - w, y, w, line_h_};
      const bool free = std::none_of(numbers_.begin(), numbers_.end(),
                                     [&](const Rect& number) { return number.overlaps(place, 0.5f); });
      if (free && plot_.contains(place, 0.5f))
        return canvas_.fitting_text(place, {remark}, Face::small, theme_.wrong, Align::right);
    }
  }

  void draw_labels() const {
    Rect label = columns_.label;
    label.h = columns_.main.h;
    view_.label(label.take_top(line_h_, 4), group_ > 1 ? "top scores" : "scores S", "S");
    const Rect chip = label.take_top(std::min(line_h_ + 4, label.h));
    if (chip.h < line_h_) return;
    const Rect block{chip.x, chip.y, std::min(chip.w, 40.f), chip.h};
    canvas_.block(block, owner_, 4);
    canvas_.fitting_text(block, {block_label("K", owner_), short_label(owner_)}, Face::small,
                         theme_.ink_on(theme_.of(owner_)), Align::centre);
    canvas_.element(block, Target::block(owner_), view_.picture.shown->id,
                    block_label("K V", owner_) + " is being absorbed");
  }

  Rect rect_of(std::size_t i) const {
    const Rect place = cell(i);
    const double score = bars_[i].score;
    const float w = std::min(place.w * 0.7f, 120.f), zero = y_of(0);
    const float end = zero + (y_of(score) - zero) * static_cast<float>(is_now(i) ? view_.phases.scores : 1);
    const float left = place.centre().x - w / 2;
    if (!std::isfinite(score)) return {left, zero - ghost_h, w, ghost_h};
    return {left, std::min(zero, end), w, std::max(std::abs(end - zero), 1.f)};
  }

  // Pale for the blocks before the current one
  Color color_of(std::size_t i) const {
    return mix(theme_.panel, theme_.of(bars_[i].event->owner), is_now(i) ? 1 : 0.4);
  }

  void draw_bar(std::size_t i) const {
    const Bar& bar = bars_[i];
    const Rect place = cell(i), rect = rect_of(i);
    const float radius = std::min(3.f, std::min(rect.w, rect.h) / 3);
    if (bar.score == -infinity)
      canvas_.frame(rect, theme_.outline, 1, radius);
    else if (std::isfinite(bar.score) && is_now(i))
      canvas_.block(rect, bar.event->owner, radius);
    else if (std::isfinite(bar.score))
      canvas_.fill(rect, color_of(i), radius);
    const std::string what = (is_now(i) ? "" : "before: ") + key_text(i) +
                             (bar.score == -infinity ? " is masked" : ": score " + number_text(bar.score));
    canvas_.element({place.x, plot_.y, place.w, plot_.h},
                    Target::event(bar.event->id.device, bar.event->id.sequence), bar.event->id, what);
  }

  // Inside the bar if it is tall enough, otherwise beyond its end; no line crosses the number
  void draw_value(std::size_t i) {
    if (is_now(i) && !SoftmaxView::over(view_.phases.scores)) return;
    const double value = bars_[i].score;
    const Rect place = cell(i), bar = rect_of(i);
    const std::string text = short_number(value);
    const float w = canvas_.text_size(text, Face::small).w;
    const bool up = value >= 0, inside = bar.h >= line_h_ + 6 && w <= bar.w - 2;
    // NaN and inf are written at the zero line, -inf not at all
    if (!std::isfinite(value)) {
      const Rect rect{place.x, y_of(0) - line_h_ - 1, place.w, line_h_};
      if (value != -infinity) {
        canvas_.fitting_text(rect, {text, "!"}, Face::small, theme_.wrong, Align::centre);
        numbers_.push_back(rect);
      }
      return;
    }
    // The place of the number, and its background
    const float top = inside ? (up ? bar.y + 3 : bar.bottom() - line_h_ - 3)
                             : (up ? bar.y - line_h_ - 1 : bar.bottom() + 1);
    const Rect rect = around({place.centre().x, top + line_h_ / 2}, w + 2, line_h_);
    if (!values_fit_ || !plot_.contains(rect, 1)) return;
    numbers_.push_back(rect);
    const Color behind = inside ? color_of(i) : theme_.panel;
    if (!inside || !Theme::striped(bars_[i].event->owner)) canvas_.fill(rect.inset(-1, 0), behind);
    const Color outside = is_now(i) ? theme_.ink : theme_.faint_ink;
    canvas_.text(rect, text, Face::small, inside ? theme_.ink_on(behind) : outside, Align::centre);
  }

  std::string key_text(std::size_t i) const {
    if (bars_[i].key < 0) return "a key of the block";
    return (group_ > 1 ? "keys from " : "key ") + std::to_string(bars_[i].key);
  }

  // The label below a bar: the word of its key, or its number
  std::string name_of(std::size_t i) const {
    if (bars_[i].key < 0) return {};
    const auto key = static_cast<std::size_t>(bars_[i].key);
    const auto& words = view_.frame.recording.words;
    return key < words.size() && group_ == 1 ? words[key] : std::to_string(key);
  }

  void draw_keys() const {
    Rect label = columns_.label;
    view_.label(label.take_bottom(line_h_), "key", "");
    float widest = 0;
    for (std::size_t i = 0; i < bars_.size(); ++i)
      widest = std::max(widest, canvas_.text_size(name_of(i), Face::small).w);
    // Label every bar, centred; or every n-th bar, left-aligned
    const auto every =
        static_cast<std::size_t>(std::max(1.f, std::ceil((std::min(widest, 120.f) + 6) / cell_)));
    for (std::size_t i = 0; i < bars_.size(); i += every) {
      const float w = std::min(cell_ * static_cast<float>(every) - 4, keys_.right() - cell(i).x);
      const bool faint = bars_[i].score == -infinity || !is_now(i);
      canvas_.fitting_text({cell(i).x + (every == 1 ? 2.f : 0.f), keys_.y, w, line_h_}, {name_of(i)},
                           Face::small, faint ? theme_.faint_ink : theme_.ink,
                           every == 1 ? Align::centre : Align::left);
    }
  }

  void draw_maxima() {
    const bool had = std::isfinite(row_.m_before), has = std::isfinite(row_.m_after);
    const bool over = SoftmaxView::over(view_.phases.maximum), moved = row_.m_before != row_.m_after && over;
    const double now = over ? row_.m_after : row_.m_before;
    if (!has || (!had && !over)) {
      const bool neutral = now == -infinity;
      taken_ = {{columns_.number.x, plot_.y, columns_.number.w, line_h_}};
      canvas_.fitting_text(taken_.front(), {"m = " + number_text(now)}, Face::small,
                           neutral ? theme_.faint_ink : theme_.wrong);
      return;
    }
    const float from = had ? y_of(row_.m_before) : plot_.bottom();
    const float to = from + (y_of(row_.m_after) - from) * static_cast<float>(view_.phases.maximum);
    if (had && moved) canvas_.dashed({plot_.x, from}, {plot_.right(), from}, theme_.maximum, 1.2f, 5);
    canvas_.line({plot_.x, to}, {plot_.right() + 4, to}, theme_.maximum, 2);

    // The labels of both lines beside them, without overlap
    const Rect& place = columns_.number;
    const float top = plot_.y, bottom = plot_.bottom() - line_h_;
    float new_y = std::clamp(to - line_h_ / 2, top, std::max(top, bottom));
    float old_y = std::clamp(from - line_h_ / 2, top, std::max(top, bottom));
    const bool both = had && moved && plot_.h >= 2 * line_h_;
    if (both && std::abs(old_y - new_y) < line_h_) {
      const bool old_below = from >= to;
      float& upper = old_below ? new_y : old_y;
      float& lower = old_below ? old_y : new_y;
      upper = std::min(upper, bottom - line_h_);
      lower = upper + line_h_;
    }
    taken_ = {{place.x, new_y, place.w, line_h_}};
    if (both) taken_.push_back({place.x, old_y, place.w, line_h_});
    canvas_.fitting_text(taken_.front(), {"m = " + number_text(now), number_text(now)}, Face::small,
                         theme_.maximum);
    if (both)
      canvas_.fitting_text(taken_.back(),
                           {"before " + number_text(row_.m_before), number_text(row_.m_before)}, Face::small,
                           theme_.faint_ink);
  }

  // exp overflows above this line, the ln of the largest number of the arithmetic. Drawn when a score comes near
  void draw_overflow() {
    const double limit = std::log(largest_number(view_.frame.recording.header().dtype));
    double highest = 0;
    for (const Event* event : view_.picture.met)
      for (const double score : event->row->scores) highest = std::max(highest, score);
    if (!(highest > 0.9 * limit)) return;
    const float y = y_of(limit);
    canvas_.dashed({plot_.x, y}, {plot_.right(), y}, theme_.wrong, 1.5f, 4);
    // Beside the line, or as near as the labels of the maxima permit
    const std::string number = short_number(limit);
    for (const float offset : {-0.5f, -1.f, 0.f, -1.5f, 0.5f, -2.f, 1.f}) {
      const Rect place{columns_.number.x, y + offset * line_h_, columns_.number.w, line_h_};
      const bool free = std::none_of(taken_.begin(), taken_.end(),
                                     [&](const Rect& label) { return label.overlaps(place, 0.5f); });
      if (!free || place.y < plot_.y || place.bottom() > plot_.bottom()) continue;
      canvas_.fitting_text(place, {"\xe2\x88\x9e above " + number, "> " + number}, Face::small, theme_.wrong);
      return;
    }
  }

  const SoftmaxView& view_;
  Canvas& canvas_;
  const Theme& theme_;
  const RowUpdate& row_;
  int owner_;
  SoftmaxView::Columns columns_;
  float line_h_, cell_ = 1;
  Rect plot_, keys_;
  std::vector<Bar> bars_;
  std::vector<Rect> numbers_;  // of the scores
  std::vector<Rect> taken_;    // by the labels of the maxima
  std::size_t group_ = 1;      // keys per bar
  bool values_fit_ = true;     // write the numbers of all bars, or none
};

}  // namespace

void draw_scores(const SoftmaxView& view, const Rect& band) { ScoreChart(view, band).draw(); }

}  // namespace ringattn::viz

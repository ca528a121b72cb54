#include "visualizer/model/event_selector.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "reference/definition/input/bad_input.h"
#include "reference/trace/event_names.h"

namespace ringattn::viz {

namespace {

constexpr const char* forms = "write start, end, or compute device=2 step=1 end";

int number(const std::string& digits, const std::string& selector) {
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  require(error == std::errc() && end == digits.data() + digits.size(),
          "[event selector] a property must be a whole number; found \"", digits, "\" in \"", selector,
          "\"; ", forms);
  return value;
}

double percent(const std::string& digits, const std::string& selector) {
  const int value = number(digits, selector);
  require(value >= 0 && value <= 100, "[event selector] a fraction must be from 0% to 100%; found ", value,
          "% in \"", selector, "\"; ", forms);
  return value / 100.0;
}

std::string with_spaces(std::string text) {
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

}  // namespace

EventSelector::EventSelector(std::string_view text) : text_(text) {
  // "start", "end", or an event kind
  std::istringstream words(text_);
  std::string word;
  words >> word;
  if (word == "start" || word == "end") {
    fraction_ = word == "end" ? 1 : 0;
    require(!(words >> word), "[event selector] ", text_.substr(0, 5), " takes no properties; found \"", word,
            "\"; ", forms);
    return;
  }
  kind_ = event_kind(word);
  require(kind_.has_value(), "[event selector] the first word must be start, end or an event kind; found \"",
          word, "\"; ", forms);
  // Properties, and a position within the event
  while (words >> word) {
    const std::size_t equals = word.find('=');
    const std::string key = word.substr(0, equals),
                      value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (key == "device")
      device_ = number(value, text_);
    else if (key == "step")
      step_ = number(value, text_);
    else if (key == "owner")
      owner_ = number(value, text_);
    else if (key == "pass")
      pass_ = number(value, text_);
    else if (key == "what")
      what_ = with_spaces(value);
    else if (key == "why")
      why_ = value;
    else if (key == "mask_class")
      mask_class_ = value;
    else if (word == "begin")
      fraction_ = 0;
    else if (word == "end")
      fraction_ = 1;
    else if (word.back() == '%')
      fraction_ = percent(word.substr(0, word.size() - 1), text_);
    else
      require(false,
              "[event selector] properties are device, step, owner, pass, what, why and mask_class; found \"",
              word, "\"; ", forms);
  }
}

bool EventSelector::matches(const Recording& recording, const Span& span) const {
  const Event& event = *span.begin;
  return event.kind == *kind_ && (!device_ || event.id.device == *device_) &&
         (!step_ || event.step == *step_) && (!owner_ || event.owner == *owner_) &&
         (!pass_ || recording.pass_of(span) == *pass_) && (what_.empty() || event.what == what_) &&
         (why_.empty() || event.why == why_) && (mask_class_.empty() || event.mask_class == mask_class_);
}

std::optional<double> EventSelector::time(const Recording& recording, Clock clock) const {
  if (!kind_) return fraction_ * recording.duration(clock);
  const Span* first = nullptr;
  for (const Span& span : recording.spans().all())
    if (matches(recording, span) && (!first || recording.began(span, clock) < recording.began(*first, clock)))
      first = &span;
  if (!first) return std::nullopt;
  const double began = recording.began(*first, clock),
               ended = first->has_duration() ? recording.ended(*first, clock) : began;
  return began + fraction_ * (ended - began);
}

}  // namespace ringattn::viz

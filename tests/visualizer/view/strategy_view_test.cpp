// Tests of what is seen of runs with other strategies than a ring.

#include <doctest/doctest.h>

#include <set>

#include "reference/files/trace_file.h"
#include "reference/trace/export/json_lines.h"
#include "tests/support/file_fixtures.h"
#include "tests/visualizer/support/all_panels.h"
#include "tests/visualizer/support/screen_fixtures.h"
#include "tests/visualizer/support/strategy_config.h"
#include "visualizer/model/pictures/softmax_picture.h"
#include "visualizer/view/panels/strategy_text.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

constexpr Rect room{10, 10, 900, 600};

Drawing drawn_stage(HeadlessScreen& screen, const Recording& recording, const Moment& now) {
  const Selection selection;
  const ViewSettings settings;
  const Frame frame{recording, now, selection, settings};
  return screen.log(theme("dark"), [&](Canvas& canvas) { draw_ring_stage(canvas, room, frame); });
}

// The card of a device, or the message of a send; null: it is not drawn
const Element* card_of(const Drawing& drawing, int device) {
  for (const Element& element : drawing.elements)
    if (element.label == "device " + std::to_string(device)) return &element;
  return nullptr;
}
const Element* message_of(const Drawing& drawing, EventId send) {
  for (const Element& element : drawing.elements)
    if (element.event == send && element.label.find(" from ") != std::string::npos) return &element;
  return nullptr;
}

// The distance between two rectangles; 0 if they touch
float distance(const Rect& a, const Rect& b) {
  const float x = std::max({a.x - b.right(), b.x - a.right(), 0.f}),
              y = std::max({a.y - b.bottom(), b.y - a.bottom(), 0.f});
  return std::hypot(x, y);
}

int nearest_card(const Drawing& drawing, const Rect& rect) {
  int nearest = 0;
  for (int device = 1; card_of(drawing, device); ++device)
    if (distance(card_of(drawing, device)->rect, rect) < distance(card_of(drawing, nearest)->rect, rect))
      nearest = device;
  return nearest;
}

std::vector<std::string> texts_at(HeadlessScreen& screen, const Recording& recording, double part) {
  const Moment now = moment(recording, part * recording.duration(Clock::modelled), Clock::modelled);
  Selection selection;
  selection.device = recording.devices() - 1;
  const ViewSettings settings;
  const Frame frame{recording, now, selection, settings};
  std::vector<std::string> texts;
  for (const auto& [name, draw] : run_panels()) {
    if (name == "code") continue;
    const Drawing drawing =
        screen.log(theme("dark"), [&, &draw = draw](Canvas& canvas) { draw(canvas, room, frame); });
    for (const DrawnText& text : drawing.texts) texts.push_back(text.text);
  }
  return texts;
}

std::string bytes_of(const Recording& recording) {
  std::ostringstream lines;
  write_json_lines(lines, recording.header(), recording.events());
  return lines.str();
}

std::string watched(HeadlessScreen& screen, const std::string& bytes) {
  return bad_input_message([&] {
    TraceFile trace = parse_trace(bytes);
    const Recording recording(std::move(trace.header), std::move(trace.events), TraceExtent::complete,
                              trace.strings);
    for (const double part : {0.0, 0.5, 1.0}) draw_all_panels(screen, recording, Clock::modelled, part);
  });
}

}  // namespace

TEST_CASE("a message is drawn from the card of its sender to the card of its receiver") {
  HeadlessScreen screen(960, 640);
  for_each_strategy(1, trials(6), [&](const Recording& recording, Random& random) {
    const std::vector<Span>& all = recording.spans().all();
    for (int n = 0; n < 4; ++n) {
      const Span& send = all[static_cast<std::size_t>(random.below(std::ssize(all)))];
      // A message without rows takes no time, nor does any message over a link without costs
      if (send.begin->kind != EventKind::send || !(send.end->t > send.begin->t)) continue;
      for (const double part : {0.0, 0.5, 0.97}) {
        const Moment sent = moment(recording, send.begin->t, Clock::modelled);
        const auto flight = std::find_if(sent.flights.begin(), sent.flights.end(),
                                         [&](const Flight& each) { return each.send == &send; });
        REQUIRE(flight != sent.flights.end());
        const double arrives = flight->recv->end->t;
        const Moment now =
            moment(recording, send.begin->t + part * (arrives - send.begin->t), Clock::modelled);
        // A message of the pass before is a dot
        if (recording.pass_of(send) < now.pass) break;
        const Drawing drawing = drawn_stage(screen, recording, now);
        const Element *message = message_of(drawing, send.begin->id),
                      *from = card_of(drawing, send.begin->id.device);
        REQUIRE((message && from));
        const std::string way =
            " from " + std::to_string(send.begin->id.device) + " to " + std::to_string(send.begin->peer);
        CHECK(message->label.find(way) != std::string::npos);
        CHECK(message->target == Target::block(send.begin->owner));
        if (part == 0) CHECK(distance(message->rect, from->rect) <= message->rect.h);
        if (part == 0) CHECK(nearest_card(drawing, message->rect) == send.begin->id.device);
        if (part == 0.97) CHECK(nearest_card(drawing, message->rect) == send.begin->peer);
      }
    }
  });
}

TEST_CASE("at every moment exactly the messages in flight are drawn") {
  HeadlessScreen screen(960, 640);
  for_each_strategy(2, trials(6), [&](const Recording& recording, Random& random) {
    const Moment now =
        moment(recording, random.uniform() * recording.duration(Clock::modelled), Clock::modelled);
    const Drawing drawing = drawn_stage(screen, recording, now);
    std::multiset<std::pair<int, int>> shown, expected;
    for (const Element& element : drawing.elements)
      if (element.label.find(" from ") != std::string::npos)
        shown.insert({element.event.device, element.event.sequence});
    for (const Flight& flight : now.flights)
      expected.insert({flight.send->begin->id.device, flight.send->begin->id.sequence});
    CHECK(shown == expected);
  });
}

TEST_CASE("the pixels of a message have the colour of its block") {
  RunConfig config;
  config.strategy = Strategy::usp, config.group = 2, config.heads = 4, config.kv_heads = 2;
  config.cost = {1, 1, 0.5};
  const auto recording = record_run(config).recording;
  HeadlessScreen screen(960, 640);
  const Selection selection;
  const ViewSettings settings;
  for (const double part : {0.1, 0.4}) {
    const Moment now = moment(*recording, part * recording->duration(Clock::modelled), Clock::modelled);
    const Frame frame{*recording, now, selection, settings};
    const Drawing drawing = drawn_stage(screen, *recording, now);
    const Image picture =
        screen.picture(theme("dark"), [&](Canvas& canvas) { draw_ring_stage(canvas, room, frame); });
    REQUIRE(!now.flights.empty());
    // The last message is above the others
    const Flight& flight = now.flights.back();
    const Element* message = message_of(drawing, flight.send->begin->id);
    REQUIRE(message);
    const float unit = static_cast<float>(picture.width) / screen.size().w;
    const auto x = static_cast<std::size_t>((message->rect.x + 4) * unit),
               y = static_cast<std::size_t>((message->rect.y + 4) * unit);
    const Color color = theme("dark").of(flight.owner);
    const std::uint8_t* pixel = &picture.rgba[4 * (y * static_cast<std::size_t>(picture.width) + x)];
    CHECK(std::vector<int>{pixel[0], pixel[1], pixel[2]} == std::vector<int>{color.r, color.g, color.b});
  }
}

TEST_CASE("the panels name the strategy, and no text says what is true of a ring only") {
  HeadlessScreen screen(960, 640);
  for_each_strategy(3, trials(4), [&](const Recording& recording, Random& random) {
    const std::string strategy = strategy_text(recording);
    bool named = false;
    for (const std::string& text : texts_at(screen, recording, random.uniform())) {
      INFO(text);
      named = named || text.find(strategy) != std::string::npos;
      for (const char* const claim : {"of device r", "next device", "each device of a ring", "from r"})
        CHECK(text.find(claim) == std::string::npos);
      CHECK(text != "Ring");
    }
    CHECK(named);
  });
}

TEST_CASE("an exchange of heads is named, with its heads") {
  RunConfig config;
  config.strategy = Strategy::ulysses, config.heads = 8, config.kv_heads = 4, config.backward = true;
  config.cost = {1, 1, 0.5};
  const auto recording = record_run(config).recording;
  HeadlessScreen screen(960, 640);
  const Span* results = nullptr;  // the first message after the arithmetic
  for (const Span& span : recording->spans().all())
    if (!results && span.begin->kind == EventKind::send && span.begin->what == "out lse") results = &span;
  REQUIRE(results);
  const auto seen = [&](double t, const std::string& words) {
    const Drawing drawing = drawn_stage(screen, *recording, moment(*recording, t, Clock::modelled));
    return std::any_of(drawing.texts.begin(), drawing.texts.end(),
                       [&](const DrawnText& text) { return text.text.find(words) != std::string::npos; }) ||
           std::any_of(drawing.elements.begin(), drawing.elements.end(),
                       [&](const Element& element) { return element.label.find(words) == 0; });
  };
  CHECK(seen(1, "exchange of heads"));
  CHECK(seen(1, "own rows, all heads; 0 of 6 messages"));
  CHECK(seen(1, "heads 2 \u2026 3 of Q\u2080 from 0 to 1"));
  CHECK(seen(results->begin->t + 1, "exchange of results"));
  CHECK(seen(results->begin->t + 1, "out lse of heads 0 \u2026 1 from 0 to 1"));
  CHECK(seen(results->begin->t - 1, "all rows, heads 2 \u2026 3"));
}

TEST_CASE("a matrix shows the heads of the selected device, if devices compute different heads") {
  RunConfig config;
  config.strategy = Strategy::usp, config.group = 2, config.heads = config.kv_heads = 6;
  const auto recording = record_run(config).recording;
  const Moment end = moment(*recording, recording->duration(Clock::modelled), Clock::modelled);
  HeadlessScreen screen(960, 640);
  const ViewSettings settings;
  for (int device = 0; device < 4; ++device) {
    Selection selection;
    selection.device = device;
    const Frame frame{*recording, end, selection, settings};
    const Drawing drawing =
        screen.log(theme("dark"), [&](Canvas& canvas) { draw_attention_matrix(canvas, room, frame); });
    std::string heads = device % 2 ? "heads 3 \u2026 5, of device " : "heads 0 \u2026 2, of device ";
    heads += std::to_string(device);
    CHECK(std::any_of(drawing.texts.begin(), drawing.texts.end(),
                      [&](const DrawnText& text) { return text.text.starts_with(heads); }));
    for (const Element& element : drawing.elements)
      if (element.target.kind == Target::Kind::tile) CHECK(element.event.device % 2 == device % 2);
  }
}

TEST_CASE("with every strategy one device, or three with ragged rows, are shown in all panels") {
  HeadlessScreen screen(960, 540);
  Random random(4);
  for (const Strategy strategy : shown_strategies)
    for (const int devices : {1, 3}) {
      RunConfig config = strategy_config(random, strategy, devices);
      config.queries = 7, config.keys = 5;
      const auto recording = record_run(config).recording;
      CHECK(recording->broken().empty());
      for (const double part : {0.0, 0.3, 0.7, 1.0})
        for (const Clock clock : {Clock::modelled, Clock::measured})
          draw_all_panels(screen, *recording, clock, part);
    }
}

TEST_CASE("a trace of any strategy that ends after any line is shown up to there") {
  HeadlessScreen screen(960, 540);
  Random random(5);
  for (const Strategy strategy : shown_strategies) {
    const std::string bytes = bytes_of(*record_run(strategy_config(random, strategy, 3)).recording);
    std::size_t line = 0;
    for (std::size_t end = bytes.find('\n'); end + 1 < bytes.size(); end = bytes.find('\n', end + 1))
      if (line++ % 5 == 0) CHECK(watched(screen, bytes.substr(0, end + 1)) == "");
  }
}

TEST_CASE("a damaged trace of any strategy is shown, or rejected with one sentence") {
  HeadlessScreen screen(960, 540);
  Random random(6);
  for (const Strategy strategy : shown_strategies) {
    const std::string bytes = bytes_of(*record_run(strategy_config(random, strategy, 4)).recording);
    for (int n = 0; n < trials(40); ++n) {
      std::string damaged = bytes;
      // A digit of the header, or any character
      const bool header = random.below(2);
      std::size_t at = static_cast<std::size_t>(random.below(std::ssize(bytes)));
      if (header) at = bytes.find_first_of("0123456789", at % bytes.find('\n'));
      damaged[at] = static_cast<char>('0' + random.below(10));
      const std::string sentence = watched(screen, damaged);
      INFO(sentence);
      const bool one_sentence = sentence.empty() || sentence.rfind("[trace] ", 0) == 0;
      CHECK(one_sentence);
      CHECK(sentence.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("a row with a sink begins with the sink, and its sum contains it") {
  RunConfig config;
  config.devices = 2, config.queries = config.keys = 4;
  const auto without = record_run(config).recording;
  TraceHeader header = without->header();
  header.sinks = {2.5};
  const Recording recording(header, without->events(), TraceExtent::complete);
  HeadlessScreen screen(960, 640);
  const auto texts = texts_at(screen, recording, 0);
  CHECK(std::any_of(texts.begin(), texts.end(), [](const std::string& text) {
    return text.find("begins with the sink of its head, m = 2.5") != std::string::npos;
  }));
  const SoftmaxPicture picture =
      softmax_picture(recording, moment(recording, recording.duration(Clock::modelled), Clock::modelled), 0);
  CHECK(picture.sum.front().owner == -1);
}

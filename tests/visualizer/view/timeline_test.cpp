// The lanes and the labels of timelines, by what is drawn.

#include <doctest/doctest.h>

#include <regex>

#include "tests/visualizer/support/seen_panel.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// A run whose messages take time, on the links of nodes and in two directions
RunConfig run_on_several_links(Random& random, Strategy strategy) {
  const int devices = 1 + static_cast<int>(random.below(8));
  RunConfig config = strategy_config(random, strategy, devices);
  config.cost.link_gbps = 0.5 * static_cast<double>(Index{1} << random.below(6));
  if (random.below(2)) config.cost.two_way_devices = devices;
  if (config.group > 0) {
    config.cost.devices_per_node = config.group;
    config.cost.network_gbps = 0.5 + random.uniform(), config.cost.network_latency_us = 0.02;
  }
  return config;
}

const Element* band_of(const Drawing& drawing, int device) {
  for (const Element& each : drawing.elements)
    if (each.target == Target::device(device)) return &each;
  return nullptr;
}

}  // namespace

TEST_CASE("messages that are on their way at the same time are drawn below each other, beside their device") {
  HeadlessScreen screen(1600, 900);
  Random random(1);
  std::size_t at_once = 0;
  for (int n = 0; n < trials(10); ++n)
    for (const Strategy strategy : shown_strategies) {
      const auto recording = record_run(run_on_several_links(random, strategy)).recording;
      INFO(recording->header().strategy << ", " << recording->devices() << " devices");
      const ReadTrace trace(recording->events());
      if (!(trace.duration() > 0)) continue;
      const Seen seen = seen_panel(screen, *recording, trace, trace.duration(), "timeline");

      std::vector<const Element*> messages;
      for (const Element& each : seen.drawing.elements) {
        if (!each.event) continue;
        const Event& event = *trace.at(each.event).begin;
        if (event.kind != EventKind::send && event.kind != EventKind::recv) continue;
        const Element* const band = band_of(seen.drawing, event.id.device);
        REQUIRE(band);
        CHECK(each.rect.y >= band->rect.y - 0.01f);
        CHECK(each.rect.bottom() <= band->rect.bottom() + 0.01f);
        CHECK(each.rect.h >= 1.5f);
        for (const Element* other : messages) {
          const ReadTrace::Work &a = trace.at(each.event), &b = trace.at(other->event);
          if (a.begin->id.device != b.begin->id.device) continue;
          const bool together = a.begin->t < b.end->t && b.begin->t < a.end->t;
          at_once += together && a.begin->kind == b.begin->kind;
          if (together) CHECK_FALSE(each.rect.overlaps(other->rect, 0.01f));
        }
        messages.push_back(&each);
      }
    }
  CHECK(at_once > 50);
}

TEST_CASE(
    "after the exchange of Ulysses all panels label the work with its heads, not as the block of one "
    "device") {
  HeadlessScreen screen(1600, 900);
  Random random(2);
  // K₁ V₁ or Q₁ alone
  const std::regex one_owner("^d?(Q|K)\xe2\x82[\x80-\x89]( d?V\xe2\x82[\x80-\x89])?$");
  for (int n = 0; n < trials(20); ++n) {
    RunConfig config = strategy_config(random, Strategy::ulysses, 2 + static_cast<int>(random.below(3)));
    config.queries = config.keys = 12 + random.below(5);
    config.cost.ns_per_pair = 1000;
    const auto recording = record_run(config).recording;
    const ReadTrace trace(recording->events());
    // When all devices compute
    double begin = 0, end = trace.duration();
    for (const ReadTrace::Work& work : trace.all(EventKind::compute)) {
      if (trace.pass_name(*work.begin) != "forward") continue;
      begin = std::max(begin, work.begin->t), end = std::min(end, work.end->t);
    }
    if (!(begin < end)) continue;
    const double t = (begin + end) / 2;
    for (const char* const panel : {"ring", "timeline", "memory"}) {
      INFO(panel);
      for (const DrawnText& text : seen_panel(screen, *recording, trace, t, panel).drawing.texts) {
        INFO(text.text);
        CHECK_FALSE(std::regex_match(text.text, one_owner));
      }
    }
    // Device r computes heads r H / P, ...
    const Index count = config.heads / config.devices;
    for (int device = 0; device < config.devices; ++device) {
      const Index first = device * count;
      const std::string heads = count == 1 ? "head " + std::to_string(first)
                                           : "heads " + std::to_string(first) + " \xe2\x80\xa6 " +
                                                 std::to_string(first + count - 1);
      for (const char* const panel : {"ring", "timeline"})
        CHECK(seen_panel(screen, *recording, trace, t, panel).texts(" of " + heads + "$").size() >= 1);
    }
  }
}

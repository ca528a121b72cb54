#pragma once

#include <doctest/doctest.h>

#include <regex>
#include <string>
#include <vector>

#include "tests/visualizer/support/numbers_in_text.h"
#include "tests/visualizer/support/read_trace.h"
#include "tests/visualizer/support/screen_fixtures.h"
#include "tests/visualizer/support/strategy_config.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// A panel at a moment of a run, and what the events say of this moment
struct Seen {
  const Recording& recording;
  const ReadTrace& trace;
  double t = 0;
  Drawing drawing = {};

  std::vector<std::string> texts(const std::string& pattern) const {
    std::vector<std::string> found;
    for (const DrawnText& each : drawing.texts)
      if (std::regex_search(each.text, std::regex(pattern))) found.push_back(each.text);
    return found;
  }
  // The values beside a name of the inspector
  std::vector<std::string> facts(const std::string& name) const {
    std::vector<std::string> found;
    for (std::size_t i = 0; i + 1 < drawing.texts.size(); ++i)
      if (drawing.texts[i].text == name) found.push_back(drawing.texts[i + 1].text);
    return found;
  }
  std::string fact(const std::string& name) const {
    const std::vector<std::string> all = facts(name);
    return all.empty() ? "missing: " + name : all.front();
  }
  std::string formula(const std::string& begin) const {
    for (const DrawnText& each : drawing.texts)
      if (each.text.rfind(begin, 0) == 0) return each.text;
    return "missing: " + begin;
  }
};

inline Seen seen_panel(HeadlessScreen& screen, const Recording& recording, const ReadTrace& trace, double t,
                       const std::string& panel, const Selection& selection = {},
                       const AxisRange& time = {}) {
  const Moment now = moment(recording, t, Clock::modelled);
  ViewSettings settings;
  settings.reduced_motion = true;
  settings.time = time;
  const Frame frame{recording, now, selection, settings};
  return {recording, trace, t, screen.log(theme("dark"), [&](Canvas& canvas) {
            run_panels().at(panel)(canvas, {5, 5, 1500, 880}, frame);
          })};
}

// Calls visit(recording, trace, random) for random rings, and for runs of other strategies
template <class Visit>
void for_runs(std::uint64_t seed, const Visit& visit) {
  Random random(seed);
  for (int n = 0; n < trials(40); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    INFO("ring of " << recording->devices() << ", " << n);
    visit(*recording, ReadTrace(recording->events()), random);
  }
  for_each_strategy(seed, trials(10), [&](const Recording& recording, Random& strategy_random) {
    visit(recording, ReadTrace(recording.events()), strategy_random);
  });
}

inline double random_moment(Random& random, const ReadTrace& trace) {
  return (0.02 + 0.96 * random.uniform()) * trace.duration();
}

}  // namespace ringattn::viz

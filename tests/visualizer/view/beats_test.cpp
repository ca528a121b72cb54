// Tests of the beats: what a text names is on the screen at its moment, and an answer is not there before.

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/visualizer/support/screen_fixtures.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// A beat, by its number from 1, and parts of texts in the panels
struct BeatTexts {
  const char* scene;
  int beat;
  std::vector<std::string> shown;
  std::vector<std::string> hidden = {};  // until the question is answered
};

const std::vector<BeatTexts> beat_texts = {
    {"why", 1, {"keys \u2192", "queries \u2193", "N \u00d7 N scores"}, {"TiB"}},
    {"why", 2, {"device 3", "m l O"}, {"TiB"}},
    {"why", 3, {"K\u2083 V\u2083", "K\u2082 V\u2082"}},
    {"why", 4, {"S tile", "m l O"}},
    {"why", 5, {"3", "m l O"}},
    {"why", 6, {"4.0 TiB", "FlashAttention", "1.3 GiB", "64 devices", "28.6 MiB", "peak of each device"}},
    {"memory", 1, {"all scores", "FlashAttention", "ring of 64", "16.4 thousand tokens", "80 GiB"}},
    {"memory", 2, {"N \u00d7 N scores of one head", "272.1 GiB", "16.1 GiB", "4 \u00d7"}},
    {"memory", 3, {"257.1 GiB", "6.0 GiB", "ring of 64"}},
    {"memory", 4, {"the engine counted 2368 B", "the formula gives 2368 B", "K\u2083 V\u2083", "S tile"}},
    {"memory", 5, {"tokens, N", "devices of the ring, P", "1048576"}},
    {"row", 1, {"No key absorbed yet", "l = 0", "7"}},
    {"row", 2, {"l  0 \u2192 1", "m = 1", "block 7"}},
    {"row", 3, {"l  1 \u2192 1.449", "0.2"}},
    {"row", 4, {"2.5", "m = 1", "l = 1.449"}, {"0.2231", "1.323", "exp(m old"}},
    {"row", 5, {"0.2231 \u00b7 1.449 + 1 = 1.323", "\u03b1 = 0.2231", "O after"}},
    {"row", 6, {"m = 3", "before 2.5", "\u03b1 = 0.6065"}},
    {"row", 7, {"divide once", "full attention"}},
    {"tile", 1, {"Q\u2081", "K\u2081\u1d40", "V\u2081", "\u2212\u221e"}},
    {"tile", 2, {"S = Q K\u1d40 / \u221a4", "/ \u221a4 = 0.51"}},
    {"tile", 3, {"m", "0.51", "P = exp(S \u2212 m)", "\u03b1"}},
    {"tile", 4, {"O = \u03b1 O + P V", "= 1.62", "= 1.23"}},
    {"tile", 5, {"K\u2080\u1d40", "/ \u221a4 = 1.53", "0.51"}, {"0.359"}},
    {"tile", 6, {"= exp(0.51 \u2212 1.53) = 0.359", "= 0.359 \u00b7 1.62"}},
    {"tile", 7, {"O / l", "full attention"}},
    {"gradients", 1, {"dO\u2081", "\u03b4", "K\u2080 V\u2080"}},
    {"gradients", 2, {"P = exp(S \u2212 lse)", "= exp("}},
    {"gradients", 3, {"dP = dO V\u1d40"}},
    {"gradients", 4, {"dS = P (dP \u2212 \u03b4)"}},
    {"gradients", 5, {"dV\u2080\u1d40", "dK\u2080\u1d40", "dQ\u2081"}},
    {"gradients", 6, {"dV\u2082\u1d40", "dK\u2082\u1d40", "dQ\u2081"}},
    {"maximum", 1, {"correct", "no maximum", "l = 0"}, {"104", "88.7"}},
    {"maximum", 2, {"40", "2.354e+17"}, {"104", "88.7"}},
    {"maximum", 3, {"88", "88.7", "1.652e+38"}},
    {"maximum", 4, {"104", "\u221e", "NaN", "m = 104"}},
    {"maximum", 5, {"m = 104", "NaN", "exp(S"}},
    {"merge", 1, {"K\u2080 V\u2080", "K\u2083 V\u2083"}},
    {"merge", 2, {"K\u2081 V\u2081 alone", "\u22120.451", "0.957"}, {"\u03b1 0.245", "exp(m\u2081"}},
    {"merge", 3, {"\u03b1 0.245", "\u03b2 1"}},
    {"merge", 4, {"output O / l", "K\u2083 V\u2083 alone"}},
    {"merge", 5, {"Chain of merges", "Tree of merges", "output O / l"}},
    {"merge", 6, {"15 trees", "in the last place", "full attention in float64", "without"}},
    {"ring", 1, {"Q\u2083", "K\u2083 V\u2083", "16 \u00d7 16 tokens", "No key absorbed yet"}},
    {"ring", 2, {"step 0", "computes 10 %"}},
    {"ring", 3, {"computes 80 %", "K\u2083 V\u2083"}},
    {"ring", 4, {"step 1", "device r uses the K V of device r \u2212 1"}},
    {"ring", 5, {"step 2", "2"}},
    {"ring", 6, {"step 3", "computes 60 %"}},
    {"ring", 7, {"done", "efficiency 100 %", "divide once"}},
    {"overlap", 1, {"device 3", "0 ns", "four times slower"}},
    {"overlap", 2, {"a hop takes 0.7 of a step", "waits 0 %"}},
    {"overlap", 3, {"sent after the arithmetic", "waits"}, {"efficiency 66 %"}},
    {"overlap", 4, {"a hop takes 1.5 steps", "waits"}},
    {"overlap", 5, {"four times slower", "efficiency 43 %"}},
    {"recall", 1, {"the slings and arrows", "device 3", "Whether", "no word met yet"}},
    {"recall", 2, {"q is here", "thousand", "largest weight so far"}},
    {"recall", 3, {"largest weight so far: thousand", "q is here"}},
    {"recall", 4, {"largest weight: of, weight", "slings"}},
    {"recall", 5, {"the slings and arrows of", "largest weight: outrageous"}},
    {"recall", 6, {"to take arms against a sea", "largest weight: of, weight"}},
    {"recall", 7, {"largest weight: suffer", "take"}},
    {"hide", 1, {"27.53 \u00b5s", "6.99 \u00b5s", "c = 4096", "waits 0 %"}},
    {"hide", 2, {"27.53 \u00b5s", "F = 312", "c = F / B"}},
    {"hide", 3, {"c = 256", "waits", "F / B = 1040"}},
    {"hide", 4, {"c = 4096", "B = 12.5 GB/s", "waits", "24960"}},
    {"hide", 5, {"A100, InfiniBand", "24960 tokens", "1040 tokens", "TPUv5e"}},
    {"hide", 6, {"tokens on each device", "link, B", "Your machine"}},
    {"causal", 1, {"contiguous", "striped", "zigzag", "device that computes"}},
    {"causal", 2, {"contiguous", "K\u2080 V\u2080"}, {"58 %"}},
    {"causal", 3, {"striped", "efficiency 92 %"}},
    {"causal", 4, {"zigzag", "efficiency 100 %", "efficiency 58 %"}},
    {"rotate", 1, {"8 queries, 32 keys"}},
    {"rotate", 2, {"K\u2083 V\u2083", "waits"}},
    {"rotate", 3, {"m\u2080 l\u2080 O\u2080", "Q\u2083"}},
    {"rotate", 4, {"done", "K and V travel", "Q travels"}},
    {"strategies", 1, {"Ring", "All-gather", "Ulysses", "5.4 KiB", "8.6 KiB"}},
    {"strategies", 2, {"step 1", "K\u2083 V\u2083", "5.4 KiB"}},
    {"strategies", 3, {"to all others at once", "8.6 KiB", "efficiency so far 100 %"}},
    {"strategies", 4, {"exchange of heads", "K\u2081 V\u2081", "waits"}},
    {"strategies", 5, {"forward, arithmetic", "50 %", "computes"}},
    {"strategies",
     6,
     {"efficiency 100 %", "efficiency 81 %", "8.6 KiB", "8.4 KiB", "peak of each device", "K V"}},
    {"backward", 1, {"backward", "dQ\u2080"}},
    {"backward", 2, {"backward, step 0", "K\u2080 V\u2080", "dK\u2080 dV\u2080", "dQ\u2080"}},
    {"backward", 3, {"dK\u2080 dV\u2080", "dQ\u2080"}},
    {"backward", 4, {"dK\u2082 dV\u2082"}},
    {"backward", 5, {"dK\u2080 dV\u2080", "dQ\u2080"}},
    {"traps", 1, {"correct", "no rescale", "l  1 \u2192 1.449"}},
    {"traps", 2, {"m = 2.5", "l = 2.449, not 1.32", "\u03b1 = 0.2231 unused"}},
    {"traps", 3, {"error", "full attention"}},
    {"traps", 4, {"the same scores as those of block 1", "K\u2081 V\u2081"}},
    {"traps", 5, {"error", "full attention"}},
    {"traps", 6, {"deadlock", "blocked, waits 100 %"}},
    {"traps", 7, {"row 1", "full attention"}, {"NaN"}},
    {"traps", 8, {"this block alone: m = \u2212\u221e", "NaN", "nothing changes", "0 \u00b7 NaN = NaN"}},
    {"free", 1, {"press E", "devices", "contiguous"}},
};

const BeatTexts* texts_of(const Scene& scene, int beat) {
  for (const BeatTexts& each : beat_texts)
    if (each.scene == scene.id && each.beat == beat + 1) return &each;
  return nullptr;
}

// Whether a text other than those of the scene contains _part_
bool is_shown(const Drawing& drawing, const Beat& beat, const std::string& part) {
  return std::any_of(drawing.texts.begin(), drawing.texts.end(), [&](const DrawnText& each) {
    return contains(each.text, part) && !contains(each.text, beat.text) && each.text != beat.answer;
  });
}

}  // namespace

TEST_CASE("what the text of a beat names is on the screen, and the answer to its question is not") {
  struct Place {
    int width, height;
    bool presenting;
  };
  for (const auto& [width, height, presenting] :
       {Place{1280, 720, false}, Place{1600, 900, false}, Place{1920, 1080, true}}) {
    ViewSettings settings;
    settings.presenting = presenting;
    HeadlessScreen screen(width, height, settings.display_scale());
    for (const Scene& scene : scenes()) {
      SceneSession session(scene.id);
      session.settings.presenting = presenting;
      for (int b = 0; b < session.beats(); ++b) {
        INFO(scene.id << ", beat " << b + 1 << " at " << width << "x" << height
                      << std::string(presenting ? ", presented" : ""));
        session.go_to_beat(b);
        const BeatTexts* texts = texts_of(scene, b);
        REQUIRE(texts);
        const Drawing drawing = drawn(screen, session);
        const Beat& beat = scene.beats[static_cast<std::size_t>(b)];
        for (const std::string& part : texts->shown)
          if (!is_shown(drawing, beat, part)) FAIL_CHECK("not on the screen: " << part);
        for (const std::string& part : texts->hidden)
          if (is_shown(drawing, beat, part)) FAIL_CHECK("on the screen before the answer: " << part);
      }
    }
  }
}

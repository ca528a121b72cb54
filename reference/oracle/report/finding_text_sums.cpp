#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "reference/oracle/report/finding_text.h"
#include "reference/oracle/report/places_text.h"

namespace ringattn {

namespace {

using enum FindingKind;

// What a factor on all weights of a row is likely to be
std::string meaning_of_factor(const ExaminedAttention& a, double factor) {
  const double scale = a.scoring.scale(a.q.D);
  const Index G = a.q.H / a.k.H;
  const std::pair<double, std::string> known[] = {
      {scale, "the scale"},
      {1 / scale, "1/scale"},
      {scale * scale, "the square of the scale"},
      {a.devices, fmt::format("the number of devices")},
      {1.0 / a.devices, fmt::format("1 / the number of devices")},
      {static_cast<double>(G), fmt::format("the number of query heads per K/V head")},
      {1.0 / static_cast<double>(G), fmt::format("1 / the number of query heads per K/V head")}};
  for (const auto& [value, text] : known)
    if (std::abs(factor / value - 1) < 0.005 && std::abs(value - 1) > 1e-6) return " (equal to " + text + ")";
  return "";
}

std::string extra_term_text(const Finding& f) {
  const std::string start = "the denominator has an extra term, whatever the scores: ";
  if (f.numbers.contains("term")) {
    const double term = f.numbers.at("term"), whole = std::round(term);
    std::string text = start + fmt::format("{:.4g} = exp({:.3f})", term, std::log(term));
    if (term < 0) return start + fmt::format("{:.4g}: terms are missing", term);
    if (whole >= 1 && std::abs(term - whole) < 0.02 * whole)
      return text + fmt::format(", as {:g} {} with score 0 and value 0, or a sink, would give", whole,
                                whole == 1 ? "key" : "keys");
    return text + ", as a sink would give";
  }
  if (f.numbers.contains("slope"))
    return start +
           fmt::format("{:.3g} i {:+.3g} in row i, as that many keys with score 0 and value 0 would give",
                       f.numbers.at("slope"), f.numbers.at("constant"));
  std::string text;
  for (const BlockValue& each : f.blocks)
    text += (text.empty() ? "" : ", ") + fmt::format("{:.3g} in row {}", each.value, each.block);
  return start + text;
}

std::string row_sums_text(const Finding& f) {
  if (f.subject == "returned lse" && f.numbers.empty())
    return "the weights are exp(score - lse) with the returned lse";
  const auto& n = f.numbers;
  std::string text = fmt::format(
      "the weights of a row sum to {:.4g} .. {:.4g} instead of 1 ({:.4g} .. {:.4g} if all scores are 0), "
      "their ratios are right",
      n.at("least_sum"), n.at("greatest_sum"), n.at("least_even_sum"), n.at("greatest_even_sum"));
  if (!f.subject.empty()) text += ": they are exp(score - lse) with the returned lse, which is wrong";
  if (n.contains("limit"))
    text += fmt::format(
        "; the sum of equal weights stops at {} = 2^{}, as a sum in a type of {} significant bits does",
        n.at("limit"), std::log2(n.at("limit")), std::log2(n.at("limit")));
  double error = 0;
  for (const auto& [name, sum] : n)
    if (name != "limit") error = std::max(error, std::abs(sum - 1));
  if (error < 0.01)
    text += fmt::format("; these errors of up to {:.1e} are like those of a sum or a maximum in {}", error,
                        precision_like(error / 2));
  return text;
}

std::string not_rescaled_text(const Finding& f) {
  const std::string parts = f.subject == "devices"
                                ? "the blocks of the devices, in the order of the ring"
                                : fmt::format("tiles of {} keys, {}", f.numbers.at("tile"), f.subject);
  return "the weights of a row do not sum to 1: l is not multiplied by exp(m_old - m_new) when the maximum "
         "grows (" +
         parts + ")";
}

// "m + 1.443 ln l", with what the factors are likely to be
std::string maximum_and_sum_text(const Finding& f) {
  const double of_maximum = f.numbers.at("of_maximum"), of_sum = f.numbers.at("of_sum");
  const auto is = [](double factor, double value) { return std::abs(factor / value - 1) < 0.005; };
  const auto term = [&](double factor, const char* name) {
    return is(factor, 1) ? name : fmt::format("{:.4g} {}", factor, name);
  };
  std::string text = fmt::format("it is {} + {}, with the maximum m of the row and l = sum exp(score - m)",
                                 term(of_maximum, "m"), term(of_sum, "ln l"));
  for (const auto& [factor, name] : {std::pair{of_maximum, "m"}, std::pair{of_sum, "ln l"}}) {
    if (is(factor, 1 / std::log(2.0))) text += fmt::format("; {:.4g} {} is {} in base 2", factor, name, name);
    if (is(factor, std::log(2.0))) text += fmt::format("; {:.4g} = ln 2", factor);
  }
  return text;
}

std::string lse_relation_text(const ExaminedAttention& a, const Finding& f) {
  const std::string& s = f.subject;
  if (s == "base 2") return "it is a logarithm to base 2";
  if (s == "one value") return fmt::format("it is {:.4g} in all these rows", f.numbers.at("value") + 0.0);
  if (s == "maximum and sum") return maximum_and_sum_text(f);
  if (s == "linear in q") return "its error is q . w, with one vector w for the rows of a head";
  if (s == "mean of the keys")
    return fmt::format("its error is {:.3g} x scale q . (mean of k over the keys)", f.numbers.at("factor"));
  if (s == "opposite sign") return "it has the opposite sign";
  if (s == "mean of exponentials") return "it lacks ln(number of visible keys)";
  if (s == "scaled scores")
    return fmt::format("it is that of scores {:.4g} times as large{}", f.numbers.at("factor"),
                       meaning_of_scale(a, f.numbers.at("factor")));
  if (s == "times ln 2") return "it is ln 2 times the right one";
  if (s == "maximum") return "it is the maximum of the scores";
  if (s == "without logarithm") return "it is the sum of exponentials, without the logarithm";
  if (s == "without maximum") return "it lacks the maximum: log l instead of m + log l";
  if (s == "hidden keys too") return "it counts the hidden keys too";
  if (s == "first block") return "it is that of the own block of the device alone, the first that is visited";
  if (s == "last block") return "it is that of the last visited block alone";
  if (s == "sum of blocks") return "it is the sum of the lse of all blocks";
  if (s == "mean of blocks") return "it is the mean of the lse of all blocks";
  const double difference = f.numbers.at("difference"), count = std::exp(difference);
  if (s == "constant") return fmt::format("it is {:+.4f} away from the right one in all rows", difference);
  std::string text = fmt::format("it is {:+.4f} away from that of the weights in all rows", difference);
  if (count > 1.5 && std::abs(count - std::round(count)) < 0.01)
    text += fmt::format(", as if each key counted {:.0f} times", count);
  return text;
}

}  // namespace

std::string text_of_sums(const ExaminedAttention& attention, const Finding& f) {
  switch (f.kind) {
    case row_sum_factor:
      return fmt::format(
          "the weights of a row sum to {:.4g} instead of 1, whatever the scores: out has this factor{}",
          f.numbers.at("factor"), meaning_of_factor(attention, f.numbers.at("factor")));
    case extra_term:
      return extra_term_text(f);
    case extra_term_of_maximum:
      return fmt::format(
          "the denominator has an extra term {:.3f} exp(maximum of the row): it is added to l after the "
          "maximum is subtracted",
          f.numbers.at("factor"));
    case hidden_keys_counted:
      return "the denominator also counts the hidden keys: the mask is applied after the softmax";
    case denominator_missing:
      return "the weights of a row sum to l = sum of exp(score - maximum): the division by l is missing";
    case denominator_not_rescaled:
      return not_rescaled_text(f);
    case denominator_of_step:
      return fmt::format("the weights are divided by the sum over the block of step {} alone (owner r - {})",
                         f.numbers.at("step"), f.numbers.at("step"));
    case row_sums:
      return row_sums_text(f);
    case lse_not_finite:
      return "lse is " + f.subject;
    case lse_of_empty_rows:
      return fmt::format("the row sees no key, but its lse is {:.4g} instead of -inf", f.numbers.at("value"));
    case lse_relation:
      return "lse is wrong: " + lse_relation_text(attention, f);
    case lse_of_other_row:
      return "lse is wrong: it is the right one of another row: " + row_sources_text(attention, f);
    case lse_wrong:
      return fmt::format("lse is wrong by {:.4g} .. {:.4g}, and it is not that of the measured weights",
                         f.numbers.at("least_error"), f.numbers.at("greatest_error"));
    default:
      return "";
  }
}

}  // namespace ringattn

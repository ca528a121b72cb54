#include "reference/oracle/probes/probes.h"

#include <algorithm>

#include "reference/definition/input/device_count.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/oracle/probes/probe_numbers.h"
#include "reference/oracle/probes/probe_recipes.h"

namespace ringattn {

namespace {

const ProbeRecipe& recipe_of(std::string_view kind) {
  const std::vector<ProbeRecipe>& table = probe_recipes();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const ProbeRecipe& recipe) { return recipe.kind.kind == kind; });
  std::string kinds;
  for (const ProbeRecipe& recipe : table)
    kinds += (kinds.empty() ? "" : ", ") + std::string(recipe.kind.kind);
  require(found != table.end(), "[probe] there is no kind ", in_quotes(kind), "; choose one of ", kinds);
  return *found;
}

void require_sizes(const ProbeShape& shape) {
  const auto at_least_one = [](const char* name, Index found) {
    require(found >= 1, "[probe] ", name, " must be at least 1; found ", found, "; choose a positive number");
  };
  at_least_one("batch", shape.batch);
  at_least_one("Sq", shape.Sq);
  at_least_one("Skv", shape.Skv.value_or(1));
  at_least_one("heads", shape.heads);
  at_least_one("kv_heads", shape.kv_heads);
  at_least_one("dim", shape.dim);
  at_least_one("v_dim", shape.v_dim.value_or(1));
  require_device_count("probe", shape.devices);
  require(shape.heads % shape.kv_heads == 0,
          "[probe] the query heads must be a multiple of the K/V heads; found ", shape.heads, " and ",
          shape.kv_heads, "; choose heads that ", shape.kv_heads, " divides");
}

// Called before anything is allocated
void require_memory(const ProbeShape& shape) {
  const double rows = static_cast<double>(std::max(shape.Sq, *shape.Skv)),
               width = static_cast<double>(std::max(shape.dim, *shape.v_dim)),
               numbers = static_cast<double>(shape.batch) * rows * static_cast<double>(shape.heads) * width;
  constexpr double most_numbers = 0x1p28;
  require(numbers <= most_numbers, "[probe] a tensor holds at most 2^28 numbers; found ", numbers,
          "; choose fewer positions, heads or elements");
}

// Normal numbers in every tensor, at consecutive positions
Probe draft(const ProbeShape& shape, Random& random) {
  Probe probe;
  probe.Q = sixteenths({shape.batch, shape.Sq, shape.heads, shape.dim}, random);
  probe.K = sixteenths({shape.batch, *shape.Skv, shape.kv_heads, shape.dim}, random);
  probe.V = sixteenths({shape.batch, *shape.Skv, shape.kv_heads, *shape.v_dim}, random);
  probe.dout = sixteenths({shape.batch, shape.Sq, shape.heads, *shape.v_dim}, random);
  probe.q_positions =
      consecutive_positions(shape.Sq, causal_offset(shape.causal_align, shape.Sq, *shape.Skv));
  probe.kv_positions = consecutive_positions(*shape.Skv);
  probe.scoring.mask.causal = shape.causal;
  return probe;
}

}  // namespace

const std::vector<ProbeKind>& probe_kinds() {
  static const std::vector<ProbeKind> kinds = [] {
    std::vector<ProbeKind> rows;
    for (const ProbeRecipe& recipe : probe_recipes()) rows.push_back(recipe.kind);
    return rows;
  }();
  return kinds;
}

std::vector<std::string_view> probes_for(std::string_view mistake_id) {
  std::vector<std::string_view> probes;
  for (const ProbeKind& row : probe_kinds())
    if (std::find(row.made_for.begin(), row.made_for.end(), mistake_id) != row.made_for.end())
      probes.push_back(row.kind);
  return probes;
}

std::vector<std::string_view> probes_covering(std::set<std::string_view> ids) {
  std::vector<std::string_view> probes;
  for (;;) {
    const auto covered = [&](const ProbeKind& kind) {
      return std::count_if(kind.made_for.begin(), kind.made_for.end(),
                           [&](std::string_view id) { return ids.count(id) > 0; });
    };
    const auto best =
        std::max_element(probe_kinds().begin(), probe_kinds().end(),
                         [&](const ProbeKind& a, const ProbeKind& b) { return covered(a) < covered(b); });
    if (covered(*best) == 0) return probes;
    probes.push_back(best->kind);
    for (const std::string_view id : best->made_for) ids.erase(id);
  }
}

Probe make_probe(std::string_view kind, const ProbeShape& wanted) {
  const ProbeRecipe& recipe = recipe_of(kind);
  require_sizes(wanted);

  // What the shape leaves open
  ProbeShape shape = wanted;
  shape.Skv = shape.Skv.value_or(shape.Sq);
  if (recipe.choose) recipe.choose(shape);
  shape.v_dim = shape.v_dim.value_or(shape.dim);
  require_memory(shape);

  // A draft of random numbers, then what makes it this probe
  Random random(shape.seed);
  Probe probe = draft(shape, random);
  probe.kind = kind;
  if (recipe.make) recipe.make(probe, shape, random);
  check(probe.problem(), probe.cotangents());
  return probe;
}

namespace {

// Changes every element of a row: x to -x, 0 to 1. The new numbers are exact in the same types as the old ones.
template <class Row>
void perturb(Row row) {
  row = row.unaryExpr([](double x) { return x == 0 ? 1.0 : -x; }).eval();
}

}  // namespace

Probe leak_of(const Probe& probe, Index key) {
  const Shape &q = probe.Q.shape(), &k = probe.K.shape();
  require(0 <= key && key < k.S, "[leak_of] the token is one of the ", k.S, " keys; found ", key,
          "; choose 0 to ", k.S - 1);
  Probe leaked = probe;
  for (Index b = 0; b < k.B; ++b) {
    for (Index g = 0; g < k.H; ++g) {
      perturb(leaked.K.head(b, g).row(key));
      perturb(leaked.V.head(b, g).row(key));
    }
    // The query of the same token, if there is one
    const RowPosition row_position = probe.kv_positions.of(b)[static_cast<std::size_t>(key)];
    for (Index i = 0; i < q.S; ++i)
      if (probe.q_positions.of(b)[static_cast<std::size_t>(i)] == row_position)
        for (Index h = 0; h < q.H; ++h) perturb(leaked.Q.head(b, h).row(i));
  }
  return leaked;
}

Probe without_twins(const Probe& probe) {
  require(probe.kind == "duplicate", "[without_twins] only the probe duplicate has twins; found ", probe.kind,
          "; make a probe of that kind");
  std::vector<Index> firsts;
  for (Index j = 0; j < probe.K.shape().S; j += 2) firsts.push_back(j);
  Probe single = probe;
  single.K = select_rows(probe.K.view(), firsts);
  single.V = select_rows(probe.V.view(), firsts);
  single.kv_positions = probe.kv_positions.select(firsts);
  return single;
}

}  // namespace ringattn

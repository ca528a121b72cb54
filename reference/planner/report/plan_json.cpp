#include "reference/planner/plan_timeline.h"
#include "reference/planner/report/plan_report.h"

namespace ringattn::planner {

namespace {

Json to_json(const Model& m) {
  return {{"name", m.name},
          {"layers", m.layers},
          {"width", m.width},
          {"ffn", m.ffn},
          {"ffn_matrices", m.ffn_matrices},
          {"heads", m.heads},
          {"kv_heads", m.kv_heads},
          {"dim", m.dim},
          {"vocabulary", m.vocabulary},
          {"positions", m.positions},
          {"parameters", number(m.parameters())},
          {"source", m.source}};
}

Json to_json(const Chip& chip) {
  Json json{{"name", chip.name},
            {"peak_flops", number(chip.peak_flops)},
            {"memory_bytes", number(chip.memory_bytes)},
            {"watts", nullptr},
            {"node_link", chip.node_link},
            {"source", chip.source}};
  if (chip.watts) json["watts"] = number(*chip.watts);
  return json;
}

Json to_json(const LinkType& link) {
  return {{"name", link.name},
          {"bytes_per_second", number(link.rate.bytes_per_second())},
          {"latency_seconds", number(link.latency_seconds)},
          {"joules_per_bit", number(link.joules_per_bit)},
          {"watts", number(link.watts)},
          {"own_link_for_each_neighbour", link.own_link_for_each_neighbour},
          {"source", link.source}};
}

Json to_json(const PlanRequest& r) {
  return {{"model", to_json(r.model)},
          {"seq", r.seq},
          {"batch", r.batch},
          {"new_tokens", r.queries()},
          {"causal", r.causal},
          {"training", r.training},
          {"nodes", r.nodes},
          {"devices_per_node", r.devices_per_node},
          {"tensor_parallel", r.tensor_parallel},
          {"ring_devices", r.ring_devices()},
          {"weight_shards", r.weight_shards()},
          {"chip", to_json(r.chip)},
          {"node_link", to_json(r.node_link)},
          {"network", to_json(r.network)},
          {"layout", name(r.ring_layout())},
          {"ulysses", r.attention_work().machine.group.ulysses},
          {"overlap", r.overlap},
          {"input_bytes", r.bytes.input},
          {"gradient_bytes", r.bytes.gradient},
          {"weight_bytes", number(r.weight_bytes)},
          {"chunked_loss", r.chunked_loss},
          {"chip_efficiency", number(r.chip_efficiency)},
          {"link_efficiency", number(r.link_efficiency)},
          {"waiting_share", number(r.waiting_share)},
          {"pue", number(r.pue)}};
}

Json to_json(const PassCost& pass) {
  return {{"bytes_sent", number(pass.bytes_sent)},     {"messages", number(pass.messages)},
          {"node_bytes", number(pass.node_bytes)},     {"network_bytes", number(pass.network_bytes)},
          {"peak_bytes", number(pass.peak_bytes)},     {"seconds", number(pass.seconds)},
          {"busy_seconds", number(pass.busy_seconds)}, {"exposed_seconds", number(pass.exposed_seconds)}};
}

Json to_json(const MemoryTerms& memory) {
  Json terms = Json::array();
  for (const MemoryTerm& term : memory.terms)
    terms.push_back({{"term", term.name}, {"bytes", number(term.bytes)}, {"formula", term.formula}});
  return {{"terms", terms},
          {"total_bytes", number(memory.total())},
          {"capacity_bytes", number(memory.capacity)},
          {"free_bytes", number(memory.free())}};
}

Json to_json(const Energy& e) {
  return {{"busy_joules", number(e.busy)},
          {"waiting_joules", number(e.waiting)},
          {"link_bits_joules", number(e.link_bits)},
          {"link_modules_joules", number(e.link_modules)},
          {"pue", number(e.pue)},
          {"joules", number(e.total())},
          {"kilowatt_hours", number(e.kilowatt_hours())},
          {"joules_per_token", number(e.joules_per_token())}};
}

Json to_json(const StrategyPlan& p, double tokens) {
  Json json{{"strategy", name(p.strategy)}, {"limit", p.limit}};
  if (!p.possible()) return json;
  json["fits"] = p.memory.fits(), json["hidden"] = p.hidden();
  json["memory"] = to_json(p.memory);
  json["longest_context"] = p.longest_context;
  json["seconds"] = number(p.seconds), json["tokens_per_second"] = number(tokens / p.seconds);
  json["attention_seconds"] = number(p.attention_seconds),
  json["exposed_seconds"] = number(p.exposed_seconds);
  json["mfu"] = number(p.mfu);
  const auto tokens_or_null = [](const std::optional<double>& block) {
    return block ? number(*block) : Json();
  };
  json["hiding_block"] = {{"forward", tokens_or_null(p.hiding_block_forward)},
                          {"backward", tokens_or_null(p.hiding_block_backward)}};
  json["layer"] = {{"forward", to_json(p.layer.forward)}, {"backward", nullptr}};
  if (p.layer.backward) json["layer"]["backward"] = to_json(*p.layer.backward);
  json["energy"] = p.energy ? to_json(*p.energy) : Json();
  return json;
}

Json to_json(const PassTimeline& t) {
  const auto spans = [](const PassTimeline::Spans& all) {
    Json json = Json::array();
    for (const auto& [begin, end] : all) json.push_back({number(begin), number(end)});
    return json;
  };
  return {{"pass", t.pass},
          {"device", t.device},
          {"seconds", number(t.seconds)},
          {"arithmetic", spans(t.arithmetic)},
          {"messages", spans(t.messages)}};
}

}  // namespace

Json to_json(const Plan& plan) {
  Json timeline = Json::array();
  for (const PassTimeline& pass : timelines(plan)) timeline.push_back(to_json(pass));
  Json strategies = Json::array();
  for (const StrategyPlan& strategy : plan.strategies)
    strategies.push_back(to_json(strategy, plan.request.tokens()));
  Json change;
  if (plan.change)
    change = {{"description", plan.change->description},
              {"result", to_json(plan.change->result, plan.request.tokens())}};
  return {{"answer", answer(plan)},
          {"best", name(plan.chosen().strategy)},
          {"strategies", strategies},
          {"change", change},
          {"timeline", timeline},
          {"request", to_json(plan.request)},
          {"assumptions", assumptions(plan)}};
}

Json presets_json() {
  Json all{{"models", Json::array()}, {"chips", Json::array()}, {"links", Json::array()}};
  for (const Model& model : models()) all["models"].push_back(to_json(model));
  for (const Chip& chip : chips()) all["chips"].push_back(to_json(chip));
  for (const LinkType& link : link_types()) all["links"].push_back(to_json(link));
  return all;
}

}  // namespace ringattn::planner

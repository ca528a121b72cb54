#include "reference/ring/schedule.h"

#include <set>

namespace ringattn {

Schedule renumbered(Schedule schedule, const std::function<int(int device)>& number_of) {
  const auto renumber = [&](int& device) { device = device == Step::none ? device : number_of(device); };
  for (Step& step : schedule.steps) {
    for (int& to : step.block_to) renumber(to);
    for (int& from : step.results_from) renumber(from);
    renumber(step.results_to);
    renumber(step.block_from);
  }
  for (int& from : schedule.own_results_from) renumber(from);
  return schedule;
}

std::vector<Route> incoming_routes(const Schedule& schedule, int device) {
  std::set<Route> routes;
  for (const Step& step : schedule.steps) {
    if (step.block_from != Step::none) routes.insert({step.block_from, device, schedule.blocks});
    for (const int from : step.results_from) routes.insert({from, device, schedule.results});
  }
  for (const int from : schedule.own_results_from) routes.insert({from, device, schedule.results});
  return {routes.begin(), routes.end()};
}

std::vector<Route> all_routes(const ScheduleFactory& schedules, int devices) {
  std::vector<Route> all;
  for (int device = 0; device < devices; ++device) {
    const std::vector<Route> incoming = incoming_routes(schedules(device, devices), device);
    all.insert(all.end(), incoming.begin(), incoming.end());
  }
  return all;
}

BufferCounts buffer_counts(const Schedule& schedule, int device) {
  BufferCounts counts;
  for (const Route& route : incoming_routes(schedule, device))
    ++(route.channel == schedule.blocks ? counts.blocks : counts.results);
  return counts;
}

}  // namespace ringattn

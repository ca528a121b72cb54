#include "reference/planner/machine/hardware.h"

#include <charconv>

#include "reference/planner/machine/presets.h"

namespace ringattn::planner {

namespace {

constexpr double teraflops = 1e12, gibibytes = 0x1p30;

// Latencies are assumptions of the order of a message of a collective library: 2 us inside a node, 10 us over RDMA,
// 50 us over TCP
constexpr double node_latency = 2e-6, rdma_latency = 10e-6, tcp_latency = 50e-6;

// An assumption, through a switch: 1.3 pJ are published for NVLink-C2C, and 5.5 pJ for one serial link of 112 Gb/s
constexpr double node_joules_per_bit = 10e-12;

// Optics from a node to a switch: a module of 8.5 W (half of NVIDIA MMS4X00-NS, two ports of 400 Gb/s, at most 17 W:
// docs.nvidia.com/networking/display/800gmms4x00ns/specifications) and one of 9 W (MMS4X00-NS400:
// docs.nvidia.com/networking/display/mms4x00ns400/overview) for 400 Gb/s in one direction, 44 pJ for each bit. Other
// rates in proportion: an assumption
constexpr double optics_watts_per_gigabit = 17.5 / 400, network_joules_per_bit = 17.5 / 400e9;

LinkType node_link(const char* name, double gigabytes_per_second, const char* source) {
  return {name,
          LinkRate::gigabytes_per_second(gigabytes_per_second),
          node_latency,
          node_joules_per_bit,
          0,
          false,
          source};
}

LinkType torus(const char* name, double gigabytes_per_second, const char* source) {
  LinkType link = node_link(name, gigabytes_per_second, source);
  link.own_link_for_each_neighbour = true;
  return link;
}

LinkType network(const std::string& name, LinkRate rate, double latency, const std::string& source) {
  const double watts = optics_watts_per_gigabit * rate.gigabits_per_second();
  return {name, rate, latency, network_joules_per_bit, watts, false, source};
}

LinkType network(const char* name, double gigabits_per_second, double latency, const char* source) {
  return network(std::string(name), LinkRate::gigabits_per_second(gigabits_per_second), latency, source);
}

}  // namespace

const std::vector<Chip>& chips() {
  static const std::vector<Chip> all = {
      {"a100", 312 * teraflops, 80 * gibibytes, 400, "nvlink3", "NVIDIA A100 80GB SXM datasheet"},
      {"a800", 312 * teraflops, 80 * gibibytes, 400, "nvlink-a800", "as a100, but for its links"},
      {"h100", 989 * teraflops, 80 * gibibytes, 700, "nvlink4",
       "NVIDIA H100 architecture whitepaper; power: product page, up to 700 W"},
      {"h100-500w", 800 * teraflops, 96 * gibibytes, 500, "nvlink4", "arXiv:2411.01783, appendix A"},
      {"h800", 989 * teraflops, 80 * gibibytes, 700, "nvlink-h800",
       "as h100, but for its links and float64: arXiv:2505.09343, section 4.1"},
      {"h200", 989 * teraflops, 141 * gibibytes, 700, "nvlink4",
       "as h100; memory, power: MLPerf Inference v4.1, NVIDIA, H200-SXM-141GBx8"},
      {"b200", 2250 * teraflops, 180 * gibibytes, 1000, "nvlink5",
       "NVIDIA Blackwell architecture technical brief; memory, power: MLPerf Inference v6.0, Nebius, B200"},
      {"l20", 119.5 * teraflops, 48 * gibibytes, 275, "pcie4",
       "github.com/xdit-project/xDiT, docs/performance/hunyuandit.md; memory, power: listings of sellers"},
      {"tpu-v3", 123 * teraflops, 32 * gibibytes, 262, "ici-v3",
       "cloud.google.com/tpu/docs/v3; power: the largest measured"},
      {"tpu-v4", 275 * teraflops, 32 * gibibytes, 192, "ici-v4",
       "cloud.google.com/tpu/docs/v4; power: the largest measured"},
      {"tpu-v5e", 196 * teraflops, 16 * gibibytes, {}, "ici-v5e", "arXiv:2310.01889, table 2"},
  };
  return all;
}

const std::vector<LinkType>& link_types() {
  static const std::vector<LinkType> all = {
      // Inside a node; makers add both directions of NVLink: 600, 900 and 1800 GB/s
      node_link("nvlink3", 300, "NVIDIA A100 datasheet, half of 600 GB/s"),
      node_link("nvlink4", 450, "NVIDIA H100 product page, half of 900 GB/s"),
      node_link("nvlink5", 900, "NVIDIA DGX B200 product page, half of 14.4 TB/s of 8 GPUs"),
      node_link("nvlink-a800", 200, "NVIDIA according to Reuters, 8 November 2022, half of 400 GB/s"),
      node_link("nvlink-h800", 200, "arXiv:2505.09343, section 4.3, in one direction"),
      // 16 lanes of 16 or 32 GT/s, 128 of 130 bits are data
      node_link("pcie4", 31.5, "PCI Express 4.0, 16 lanes"),
      node_link("pcie5", 63, "PCI Express 5.0, 16 lanes"),
      torus("ici-v3", 112, "arXiv:2310.01889, table 2"),
      torus("ici-v4", 268, "arXiv:2310.01889, table 2"),
      torus("ici-v5e", 186, "arXiv:2310.01889, table 2"),
      // Between nodes, one adapter for each device
      network("ib100", 100, rdma_latency, "InfiniBand EDR; arXiv:2310.01889, table 2 (12.5 GB/s)"),
      network("ib200", 200, rdma_latency, "InfiniBand HDR"),
      network("ib400", 400, rdma_latency, "InfiniBand NDR"),
      network("ib800", 800, rdma_latency, "InfiniBand XDR"),
      network("rdma400", 400, rdma_latency, "arXiv:2411.01783, section 4.1"),
      network("tcp100", 100, tcp_latency, "arXiv:2411.01783, section 4.1"),
      network("eth1", 1, tcp_latency, "IEEE 802.3ab"),
      network("eth10", 10, tcp_latency, "IEEE 802.3ae"),
      network("eth25", 25, tcp_latency, "IEEE 802.3by"),
      network("eth100", 100, tcp_latency, "IEEE 802.3bj"),
  };
  return all;
}

Chip chip_named(const std::string& name) { return preset_named("chip", chips(), name); }

LinkType link_named(const std::string& text) {
  for (const LinkType& link : link_types())
    if (link.name == text) return link;
  require(!text.empty() && '0' <= text.front() && text.front() <= '9', "[plan] a link must be ",
          either_of(names_of(link_types())), ", or a rate with its unit; found ", in_quotes(text),
          "; give a rate such as 50GB/s (bytes) or 400Gb/s (bits)");
  return network(text, parse_link_rate(text), rdma_latency, "given");
}

LinkRate parse_link_rate(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  require(error == std::errc() && number >= 1e-6 && number <= 1e6 && (unit == "GB/s" || unit == "Gb/s"),
          "[plan] the rate of a link must be a number from 1e-6 to 1e6 with the unit GB/s (bytes) or Gb/s "
          "(bits), in "
          "one direction; found ",
          in_quotes(text), "; give for example 50GB/s or 400Gb/s");
  return unit == "GB/s" ? LinkRate::gigabytes_per_second(number) : LinkRate::gigabits_per_second(number);
}

}  // namespace ringattn::planner

#include "reference/oracle/probes/probe_recipes.h"

namespace ringattn {

const std::vector<ProbeRecipe>& probe_recipes() {
  using namespace recipes;
  static const std::vector<ProbeRecipe> table{
      {{.kind = "random",
        .shows = "normal numbers everywhere, which most mistakes do not survive",
        .right_answer = "that of the definition",
        .made_for = {"S1", "V1", "V2", "V3", "V4", "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G16",
                     "G22"}}},

      {{.kind = "uniform-onehot",
        .shows = "Q = 0 and V_j = e_j: a row shows which keys it has read, and each how often",
        .right_answer =
            "out times the number of keys seen is 1 at every key seen and 0 elsewhere; with fewer "
            "elements than keys, element d counts the keys d, d + v_dim, d + 2 v_dim, ...",
        .made_for = {"M1",  "M2",  "M3",  "M4",  "M5", "M6", "M7", "M9",  "M10",
                     "M12", "M14", "R1",  "R2",  "R3", "R4", "R9", "R10", "R11",
                     "R12", "R13", "R14", "R15", "P1", "P2", "P4", "P5",  "P6"}},
       one_value_element_for_each_key,
       uniform_one_hot},

      {{.kind = "window",
        .shows = "uniform-onehot with a window that reaches past a whole block of the ring",
        .right_answer = "every key in the window reads 1 / (their number), every other key 0",
        .made_for = {"M16", "M17", "M18"}},
       one_value_element_for_each_key,
       window},

      {{.kind = "staircase-up",
        .shows = "logits climb from 0 to 16 along the keys: the maximum grows at every tile of a block",
        .right_answer = "the weight of a key is e^(16 / Skv) that of the key before it",
        .made_for = {"S9", "O1", "O2", "O3", "O4", "L1", "L4", "L5", "L6", "L7", "L8", "L9"}},
       nullptr,
       staircase_up},

      {{.kind = "staircase-down",
        .shows =
            "logits fall from 0 to -16 along the keys: the maximum of a block is its first key, and grows "
            "with every causal step of the ring",
        .right_answer = "the weight of a key is e^(-16 / Skv) that of the key before it",
        .made_for = {"S9", "O1", "O2", "O3", "O4", "L1", "L4", "L5", "L6", "L7", "L8", "L9"}},
       nullptr,
       staircase_down},

      {{.kind = "cold",
        .shows = "every logit is about -16: a phantom key of logit 0 outweighs all true ones",
        .right_answer = "the mean of the values seen; lse = logit + ln(number of keys seen)",
        .made_for = {"O6", "M12", "M13"}},
       nullptr,
       cold},

      {{.kind = "frozen",
        .shows = "every logit is about -65536, below the finite numbers that stand in for -infinity",
        .right_answer = "the mean of the values seen; lse = logit + ln(number of keys seen)",
        .made_for = {"M21"}},
       nullptr,
       frozen},

      {{.kind = "spike",
        .shows = "one key in the block of each device has logit 20, the others 0, and V_j = e_(device of j): "
                 "out reads the weight of each block, and a block lost or doubled is a disaster",
        .right_answer = "1 / (number of spikes seen) for each block whose spike is seen, to 1e-8 Skv",
        .made_for = {"R1", "R2", "R3", "R4", "R9", "R11", "R13", "R14", "R15", "L7", "L8"}},
       nullptr,
       spike},

      {{.kind = "needle",
        .shows = "each query finds two keys among those at the ends and at the borders of devices and tiles, "
                 "one of them its own position where it can be; every query has another pair",
        .right_answer = "the mean of the two values, to 1e-10 Skv",
        .made_for = {"M2", "M14", "L5", "L6", "L7", "R1", "R6", "R7", "R8", "R14", "R15"}},
       room_for_two_needles,
       needle},

      {{.kind = "big-logits",
        .shows =
            "the blocks of the devices lie on shuffled levels from -1000 to 1000, far beyond what exp can "
            "take without its maximum",
        .right_answer = "every number is finite, and a row reads the highest block it sees alone",
        .made_for = {"O1", "O4", "L3", "L11"}},
       nullptr,
       big_logits},

      {{.kind = "two-key",
        .shows =
            "two keys by turns: logit 2 with V = e_0 and logit 0 with V = e_1, which gives the scale away",
        .right_answer = "ln(out_0 / out_1) = scale (Q . K_0 - Q . K_1) + ln(keys seen of the first sort / of "
                        "the second)",
        .made_for = {"S1", "S2", "S3", "S4", "S5", "S7", "S8"}},
       room_for_two_values,
       two_key},

      {{.kind = "ones",
        .shows = "V = 1: out is the sum of the weights",
        .right_answer = "out = 1 for every row that sees a key",
        .made_for = {"S6", "M10", "O1", "O2", "O5", "O6", "O7", "L4", "L8"}},
       nullptr,
       ones},

      {{.kind = "head-id",
        .shows = "V is the number of its K/V head: out tells which head was read",
        .right_answer = "out of query head h is h div (heads / kv_heads), the same for every row",
        .made_for = {"H1", "H2", "H3", "H4"}},
       nullptr,
       head_id},

      {{.kind = "grouped",
        .shows =
            "each K/V head keeps elements of V to itself, and everything else is random: heads cannot be "
            "taken for one another, forward or backward",
        .right_answer = "out of query head h is 0 but for the elements d = h div (heads / kv_heads), modulo "
                        "kv_heads",
        .made_for = {"H1", "H2", "H3", "H4", "G18", "G19"}},
       nullptr,
       grouped},

      {{.kind = "position-id",
        .shows = "every query finds the key at its own position, whose value is that position",
        .right_answer = "16 out reads the position in digits to the base 64, lowest digit first",
        .made_for = {"P1", "P2", "P3"}},
       nullptr,
       position_id},

      {{.kind = "duplicate",
        .shows = "every key stands there twice; without_twins() makes the second run",
        .right_answer =
            "rows that see whole pairs read what they read without the twins, with lse greater by "
            "ln 2",
        .made_for = {"O6", "M13", "L1"}},
       nullptr,
       duplicate},

      {{.kind = "leak",
        .shows = "random and causal; leak_of() perturbs a token for the second run",
        .right_answer = "both runs have the same bits in every row before that token",
        .made_for = {"M1", "M3", "M4", "M5", "M6", "M9", "M12", "P4"}},
       always_causal},

      {{.kind = "empty-rows",
        .shows = "every fifth query belongs to a document that has no keys",
        .right_answer = "out = 0, lse = -infinity and dq = 0 in these rows; dk and dv do not notice them",
        .made_for = {"M20", "L12"}},
       nullptr,
       empty_rows},

      {{.kind = "documents",
        .shows = "packed documents of random lengths, across the borders of devices; element 0 of V is the "
                 "number of its document",
        .right_answer = "16 out reads the number of the row's own document in element 0",
        .made_for = {"M19"}},
       nullptr,
       documents},

      {{.kind = "odd",
        .shows = "random, with lengths taken down to odd ones that the number of devices does not divide",
        .right_answer = "that of the definition",
        .made_for = {"M13", "M14", "P2"}},
       odd_lengths},

      {{.kind = "identity-grad",
        .shows = "dO_i = e_i, and every query prefers the key at its own position: gradients know their home",
        .right_answer = "dV = P^T, summed over the query heads of a group: row j is greatest in element j",
        .made_for = {"G13", "G14", "G15", "G17", "G18", "G19", "G20", "G21", "G23", "G24"}},
       one_value_element_for_each_query,
       identity_grad},

      {{.kind = "lse-grad",
        .shows = "dO = 0 and dlse = 1: gradients that flow through lse alone",
        .right_answer = "dV = 0 and dQ = scale P K; the sums over a head agree: sum dK = scale sum Q",
        .made_for = {"G9", "G10", "G11", "G12", "G27"}},
       nullptr,
       lse_grad},
  };
  return table;
}

}  // namespace ringattn

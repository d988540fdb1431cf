// sluice check: what is wrong with a flow file, and what is odd. Needs no daemon.
#include <fmt/core.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "action/flow_spec.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "ofproto/ofproto.h"

namespace sluice::cli {

namespace {

struct Findings {
  std::vector<std::string> errors, warnings;
  std::size_t flows = 0;
};

/// Names of ports are known only to a switch: each stands for a number here.
class AnyPort final : public field::NameResolver {
 public:
  std::optional<std::uint32_t> port_number(std::string_view name) const override {
    const auto [it, is_new] = numbers_.try_emplace(std::string(name), 1 + numbers_.size());
    return it->second;
  }
  std::optional<std::string> port_name(std::uint32_t) const override { return std::nullopt; }

 private:
  mutable std::map<std::string, std::uint32_t> numbers_;
};

/// A table that flows go to and none is in drops everything: nearly always a wrong number.
void check_tables(const std::vector<ofproto::FileFlow>& flows, Findings& findings) {
  std::set<unsigned> filled;
  for (const auto& flow : flows) filled.insert(flow.spec.table == action::kNoTable ? 0 : flow.spec.table);
  for (const auto& flow : flows) {
    const auto text = action::format_actions(flow.spec.actions);
    for (const std::string_view word : {"goto_table:", "table=", "resubmit(,"}) {
      for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        unsigned table = 0;
        auto i = at + word.size();
        if (i >= text.size() || text[i] < '0' || text[i] > '9') continue;
        for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i)
          table = table * 10 + static_cast<unsigned>(text[i] - '0');
        if (!filled.contains(table))
          findings.warnings.push_back(fmt::format(
              "{}: sends packets to table {}, in which this file has no flow", flow.place, table));
      }
    }
  }
}

Findings check_text(const std::string& text, const std::string& name) {
  Findings findings;
  const AnyPort ports;
  const action::Names names{.ports = &ports, .tables = nullptr};
  action::FlowFile parsed = action::parse_flow_file(text, name, {.names = names});
  if (!parsed.errors.empty()) {
    for (auto& error : parsed.errors) findings.errors.push_back(std::move(error.message));
    return findings;
  }
  const auto flows = ofproto::parse_flow_text(text, name, names, &findings.warnings);
  if (!flows) {
    findings.errors.push_back(flows.error().message);
    return findings;
  }
  findings.flows = flows->size();
  check_tables(*flows, findings);
  return findings;
}

}  // namespace

int check(const CheckArguments& arguments) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  bool bad = false;
  std::string out;
  for (const auto& file : arguments.files) {
    const auto text = read_input(file);
    Findings findings;
    if (text)
      findings = check_text(*text, file == "-" ? "standard input" : file);
    else
      findings.errors.push_back(text.error().message);
    bad = bad || !findings.errors.empty();
    json.push_back({{"file", file},
                    {"flows", findings.flows},
                    {"errors", findings.errors},
                    {"warnings", findings.warnings}});
    for (const auto& error : findings.errors) out += "error: " + error + "\n";
    for (const auto& warning : findings.warnings) out += "warning: " + warning + "\n";
    if (findings.errors.empty())
      out += fmt::format("{}: {} flows, {} warnings\n", file, findings.flows, findings.warnings.size());
  }
  const int status = print(arguments.json ? json.dump() : out);
  return bad ? kFailed : status;
}

}  // namespace sluice::cli

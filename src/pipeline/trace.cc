#include "pipeline/trace.h"

namespace sluice::pipeline {

Trace::Node* Trace::add(Kind kind, std::string text) {
  open_.back()->push_back(std::make_unique<Node>(Node{kind, std::move(text), {}}));
  return open_.back()->back().get();
}

void Trace::print(const List& list, unsigned level, std::string& out) {
  for (const auto& node : list) {
    const bool last = node == list.back();
    const bool about_action = node->kind == Kind::Action || node->kind == Kind::Detail ||
                              node->kind == Kind::Bucket || node->kind == Kind::Warning ||
                              node->kind == Kind::Error;
    const unsigned more = !last || about_action ? 1 : 0;
    const std::string indent((level + more) * 4, ' ');
    switch (node->kind) {
      case Kind::Bridge:
        out += '\n' + indent + node->text + '\n';
        out += indent + std::string(node->text.size(), '-') + '\n';
        break;
      case Kind::Detail:
        out += indent + " -> " + node->text + '\n';
        break;
      case Kind::Warning:
        out += indent + " >> " + node->text + '\n';
        break;
      case Kind::Error:
        out += indent + " >>>> " + node->text + " <<<<\n";
        break;
      case Kind::Table:
      case Kind::Bucket:
      case Kind::Action:
      case Kind::Thaw:
      case Kind::Note:
        out += indent + node->text + '\n';
        break;
    }
    print(node->children, level + more + more, out);
  }
}

std::string Trace::print() const {
  std::string out;
  print(root_, 0, out);
  return out;
}

}  // namespace sluice::pipeline

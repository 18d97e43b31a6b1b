#include "cli/command_tree.h"

#include <functional>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

constexpr const char* kBashEnd = R"(  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [[ $commands ]]; then
    COMPREPLY=($(compgen -W "$commands" -- "$word"))
  fi
}
complete -o default -F _freehold freehold)";

std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); });
}

std::vector<const CLI::Option*> OptionsOf(const CLI::App& app) {
  return app.get_options([](const CLI::Option* one) { return !one->get_group().empty(); });
}

// "-f, --file"
std::string NamesOf(const CLI::Option& option) {
  std::string names;
  for (const std::string& name : option.get_snames()) names += ", -" + name;
  for (const std::string& name : option.get_lnames()) names += ", --" + name;
  return names.empty() ? "" : names.substr(2);
}

// Calls `visit` for every command, with its words: "freehold volume create".
void Walk(const CLI::App& app, const std::string& words,
          const std::function<void(const CLI::App&, const std::string&)>& visit) {
  visit(app, words);
  for (const CLI::App* command : CommandsOf(app)) {
    Walk(*command, words + " " + command->get_name(), visit);
  }
}

// A line of text for troff: nothing in it is a request or an escape.
std::string Plain(const std::string& text) {
  std::string plain;
  for (const char c : text) {
    if (c == '\\') {
      plain += "\\e";
    } else if (c == '-') {
      plain += "\\-";
    } else {
      plain += c == '\n' ? ' ' : c;
    }
  }
  return plain.starts_with('.') || plain.starts_with('\'') ? "\\&" + plain : plain;
}

std::string ManOption(const CLI::Option& option) {
  const bool takes_value = option.get_items_expected_max() > 0;
  std::string what = option.get_description();
  if (takes_value && !option.get_default_str().empty()) {
    what += fmt::format("{}[{}]", what.empty() ? "" : " ", option.get_default_str());
  }
  if (option.get_required() && option.nonpositional()) what += " (required)";
  const std::string name = option.nonpositional() ? NamesOf(option) : option.get_name(true, false);
  return fmt::format(
      ".TP\n.B {}\n{}\n",
      Plain(name + (takes_value && option.nonpositional() ? " " + option.get_type_name() : "")),
      Plain(what.empty() ? "See the command." : what));
}

std::string ManCommand(const CLI::App& command, const std::string& words) {
  std::string synopsis = words;
  for (const CLI::Option* option : OptionsOf(command)) {
    if (option->nonpositional()) continue;
    const std::string name = option->get_name(true, false);
    synopsis += option->get_required() ? " " + name : " [" + name + "]";
  }
  std::string text =
      fmt::format(".SS {}\n{}.\n", Plain(synopsis), Plain(command.get_description()));
  for (const CLI::Option* option : OptionsOf(command)) {
    if (NamesOf(*option) != "-h, --help") text += ManOption(*option);
  }
  return text;
}

}  // namespace

std::string BashCompletion(const CLI::App& app) {
  std::string paths;
  std::string cases;
  Walk(app, "freehold", [&](const CLI::App& command, const std::string& words) {
    paths += fmt::format("{}'{}'", paths.empty() ? "" : "|", words);
    std::string commands;
    for (const CLI::App* one : CommandsOf(command)) commands += one->get_name() + " ";
    std::string options;
    for (const CLI::Option* option : OptionsOf(command)) {
      for (const std::string& name : option->get_lnames()) options += "--" + name + " ";
    }
    cases += fmt::format("    '{}') commands='{}' options='{}' ;;\n", words, commands, options);
  });
  return "_freehold() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} path=freehold commands= options= before\n"
         "  for before in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    case \"$path $before\" in " +
         paths +
         ") path+=\" $before\" ;; esac\n"
         "  done\n"
         "  case $path in\n" +
         cases + kBashEnd;
}

std::string ManPage(const CLI::App& app) {
  std::string text =
      ".TH FREEHOLD 1\n.SH NAME\nfreehold \\- customer\\-managed encryption keys for any database\n"
      ".SH SYNOPSIS\n.B freehold\n.I command\n.RI [ options ]\n.SH OPTIONS\n";
  for (const CLI::Option* option : OptionsOf(app)) text += ManOption(*option);
  text += ".SH COMMANDS\n";
  Walk(app, "freehold", [&](const CLI::App& command, const std::string& words) {
    if (CommandsOf(command).empty()) text += ManCommand(command, words);
  });
  text += ".SH EXIT STATUS\n.TP\n.B 0\nit worked\n";
  for (const ErrorCodeInfo& info : ErrorCodeTable()) {
    text += fmt::format(".TP\n.B {}\n{}\n", info.exit_code, Plain(std::string(info.meaning)));
  }
  text +=
      ".SH ENVIRONMENT\n"
      ".TP\n.B FREEHOLD_SERVER\nThe control plane, in place of the one that was logged in to.\n"
      ".TP\n.B FREEHOLD_API_KEY\nThe API key, in place of the one that was kept.\n"
      ".TP\n.B FREEHOLD_CONFIG\nThe file that keeps the login.";
  return text;
}

void AddCompletion(CLI::App& app, int& exit_code) {
  CLI::App* group = app.add_subcommand("completion", "Print what completes these words in a shell");
  group->require_subcommand(1);
  group->add_subcommand("bash", "For: source <(freehold completion bash)")
      ->callback([&app, &exit_code] {
        Print(BashCompletion(app));
        exit_code = 0;
      });
}

}  // namespace freehold::cli

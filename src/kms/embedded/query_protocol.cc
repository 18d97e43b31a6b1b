#include "kms/embedded/query_protocol.h"

#include <array>
#include <cctype>

namespace freehold::embedded {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string DecodeFormText(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out.push_back(' ');
    } else if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
               HexDigit(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string_view NamespaceOf(std::string_view service) {
  return service == "sts" ? "https://sts.amazonaws.com/doc/2011-06-15/"
                          : "https://iam.amazonaws.com/doc/2010-05-08/";
}

struct Renaming {
  std::string_view from;
  std::string_view to;
  int status;
};
constexpr std::array kRenamings = {
    Renaming{"UnrecognizedClientException", "InvalidClientTokenId", 403},
    Renaming{"InvalidSignatureException", "SignatureDoesNotMatch", 403},
    Renaming{"ExpiredTokenException", "ExpiredToken", 403},
    Renaming{"MissingAuthenticationTokenException", "MissingAuthenticationToken", 403},
    Renaming{"IncompleteSignatureException", "IncompleteSignature", 400},
    Renaming{"AccessDeniedException", "AccessDenied", 403},
    Renaming{"ValidationException", "ValidationError", 400},
    Renaming{"ThrottlingException", "Throttling", 400},
    Renaming{"KMSInternalException", "InternalFailure", 500},
};

}  // namespace

Form Form::Parse(std::string_view body) {
  Form form;
  while (!body.empty()) {
    const auto end = body.find('&');
    const std::string_view part = body.substr(0, end);
    body = end == std::string_view::npos ? "" : body.substr(end + 1);
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    form.fields_.insert_or_assign(DecodeFormText(part.substr(0, equals)),
                                  DecodeFormText(part.substr(equals + 1)));
  }
  return form;
}

std::string Form::Get(std::string_view name) const {
  const auto found = fields_.find(name);
  return found == fields_.end() ? "" : found->second;
}

bool Form::Has(std::string_view name) const { return fields_.find(name) != fields_.end(); }

AwsResult<std::string> Form::Name(std::string_view name, std::size_t least, std::size_t most,
                                  std::string_view more) const {
  std::string value = Get(name);
  bool fits = value.size() >= least && value.size() <= most;
  for (const char c : value) {
    fits = fits && (std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                    std::string_view("+=,.@_-").find(c) != std::string_view::npos ||
                    more.find(c) != std::string_view::npos);
  }
  if (fits) return value;
  return QueryValidationFailure(
      fmt::format("{} must have {} to {} letters, digits and +=,.@_-{}", name, least, most, more));
}

AwsFailure QueryValidationFailure(std::string message) {
  return {"ValidationError", std::move(message)};
}

std::string Element(std::string_view name, std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        // XML 1.0 has no way to write the other control characters.
        escaped.push_back(static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c);
    }
  }
  return Nested(name, escaped);
}

std::string Nested(std::string_view name, std::string_view inside) {
  return fmt::format("<{0}>{1}</{0}>", name, inside);
}

std::string QueryAnswerXml(std::string_view service, std::string_view operation,
                           std::string_view inside, std::string_view request_id) {
  const std::string result =
      inside.empty() ? "" : Nested(fmt::format("{}Result", operation), inside);
  return fmt::format("<{0}Response xmlns=\"{1}\">{2}{3}</{0}Response>\n", operation,
                     NamespaceOf(service), result,
                     Nested("ResponseMetadata", Element("RequestId", request_id)));
}

std::string QueryErrorXml(std::string_view service, const AwsFailure& failure,
                          std::string_view request_id) {
  const std::string error = Element("Type", failure.status >= 500 ? "Receiver" : "Sender") +
                            Element("Code", failure.code) + Element("Message", failure.message);
  return fmt::format("<ErrorResponse xmlns=\"{}\">{}{}</ErrorResponse>\n", NamespaceOf(service),
                     Nested("Error", error), Element("RequestId", request_id));
}

AwsFailure AsQueryFailure(AwsFailure failure) {
  for (const Renaming& renaming : kRenamings) {
    if (failure.code != renaming.from) continue;
    failure.code = renaming.to;
    failure.status = renaming.status;
    break;
  }
  return failure;
}

}  // namespace freehold::embedded

// Entries of the audit log as people read them: `outpost audit`.
//
// **Thread safety.** Pure functions: any thread.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_AUDIT_TEXT_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_AUDIT_TEXT_H_

#include <string>

namespace outpost::internal {

// A line: when, who, what, what it came to, from where. `entry_json`: a line of the audit log
// (docs/security.md); what is none comes back as it is. No newline at its end.
std::string AuditText(const std::string& entry_json);

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_AUDIT_TEXT_H_

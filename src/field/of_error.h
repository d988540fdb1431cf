// OpenFlow errors that checks of fields and actions give. One value everywhere: Error::of_error = value + 1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::field {

/// Named for the OpenFlow 1.3+ constants; openflow/ maps them to each version's type and code.
enum class OfError : std::uint16_t {
  // OFPET_BAD_ACTION
  BacBadType,
  BacBadLen,
  BacBadExperimenter,
  BacBadExpType,
  BacBadOutPort,
  BacBadArgument,
  BacEperm,
  BacTooMany,
  BacBadQueue,
  BacBadOutGroup,
  BacMatchInconsistent,
  BacUnsupportedOrder,
  BacBadTag,
  BacBadSetType,
  BacBadSetLen,
  BacBadSetArgument,
  BacBadSetMask,
  BacCtDatapathSupport,
  // OFPET_BAD_INSTRUCTION
  BicUnknownInst,
  BicUnsupInst,
  BicBadTableId,
  BicUnsupMetadata,
  BicUnsupMetadataMask,
  BicBadExperimenter,
  BicBadExpType,
  BicBadLen,
  BicEperm,
  BicDupInst,
  // OFPET_BAD_MATCH
  BmcBadType,
  BmcBadLen,
  BmcBadTag,
  BmcBadDlAddrMask,
  BmcBadNwAddrMask,
  BmcBadWildcards,
  BmcBadField,
  BmcBadValue,
  BmcBadMask,
  BmcBadPrereq,
  BmcDupField,
  BmcEperm,
  BmcCtDatapathSupport,
  // OFPET_BAD_REQUEST, OFPET_FLOW_MOD_FAILED …
  BrcBadLen,
  BrcBadTableId,
  BrcBadPort,
  FmfcUnknown,
  FmfcTableFull,
  FmfcBadTableId,
  FmfcOverlap,
  FmfcBadTimeout,
  FmfcBadCommand,
  FmfcBadFlags,
  FmfcBadPriority,
  // OFPET_GROUP_MOD_FAILED, OFPET_METER_MOD_FAILED, OFPET_BAD_PROPERTY
  GmfcGroupExists,
  GmfcInvalidGroup,
  GmfcOutOfGroups,
  GmfcOutOfBuckets,
  GmfcWatchUnsupported,
  GmfcLoop,
  GmfcUnknownGroup,
  GmfcChainedGroup,
  GmfcBadType,
  GmfcBadCommand,
  GmfcBadBucket,
  GmfcBadWatch,
  GmfcUnknownBucket,
  GmfcBucketExists,
  MmfcMeterExists,
  MmfcInvalidMeter,
  MmfcUnknownMeter,
  MmfcBadCommand,
  MmfcBadFlags,
  MmfcBadRate,
  MmfcBadBurst,
  MmfcBadBand,
  MmfcBadBandValue,
  MmfcOutOfMeters,
  MmfcOutOfBands,
  BpcBadValue,
};

using sluice::fail;

inline tl::unexpected<Error> fail(std::string message, OfError code) {
  return sluice::fail(std::move(message), static_cast<std::uint32_t>(code) + 1);
}

/// The code of an error made by fail(), if it has one.
std::optional<OfError> of_error(const Error& error);

/// "OFPBAC_BAD_ARGUMENT".
std::string_view of_error_name(OfError code);

}  // namespace sluice::field

#include "field/of_error.h"

namespace sluice::field {

std::optional<OfError> of_error(const Error& error) {
  if (error.of_error == 0) return std::nullopt;
  return static_cast<OfError>(error.of_error - 1);
}

std::string_view of_error_name(OfError code) {
  switch (code) {
    case OfError::BacBadType:
      return "OFPBAC_BAD_TYPE";
    case OfError::BacBadLen:
      return "OFPBAC_BAD_LEN";
    case OfError::BacBadExperimenter:
      return "OFPBAC_BAD_EXPERIMENTER";
    case OfError::BacBadExpType:
      return "OFPBAC_BAD_EXP_TYPE";
    case OfError::BacBadOutPort:
      return "OFPBAC_BAD_OUT_PORT";
    case OfError::BacBadArgument:
      return "OFPBAC_BAD_ARGUMENT";
    case OfError::BacEperm:
      return "OFPBAC_EPERM";
    case OfError::BacTooMany:
      return "OFPBAC_TOO_MANY";
    case OfError::BacBadQueue:
      return "OFPBAC_BAD_QUEUE";
    case OfError::BacBadOutGroup:
      return "OFPBAC_BAD_OUT_GROUP";
    case OfError::BacMatchInconsistent:
      return "OFPBAC_MATCH_INCONSISTENT";
    case OfError::BacUnsupportedOrder:
      return "OFPBAC_UNSUPPORTED_ORDER";
    case OfError::BacBadTag:
      return "OFPBAC_BAD_TAG";
    case OfError::BacBadSetType:
      return "OFPBAC_BAD_SET_TYPE";
    case OfError::BacBadSetLen:
      return "OFPBAC_BAD_SET_LEN";
    case OfError::BacBadSetArgument:
      return "OFPBAC_BAD_SET_ARGUMENT";
    case OfError::BacBadSetMask:
      return "OFPBAC_BAD_SET_MASK";
    case OfError::BacCtDatapathSupport:
      return "NXBAC_CT_DATAPATH_SUPPORT";
    case OfError::BicUnknownInst:
      return "OFPBIC_UNKNOWN_INST";
    case OfError::BicUnsupInst:
      return "OFPBIC_UNSUP_INST";
    case OfError::BicBadTableId:
      return "OFPBIC_BAD_TABLE_ID";
    case OfError::BicUnsupMetadata:
      return "OFPBIC_UNSUP_METADATA";
    case OfError::BicUnsupMetadataMask:
      return "OFPBIC_UNSUP_METADATA_MASK";
    case OfError::BicBadExperimenter:
      return "OFPBIC_BAD_EXPERIMENTER";
    case OfError::BicBadExpType:
      return "OFPBIC_BAD_EXP_TYPE";
    case OfError::BicBadLen:
      return "OFPBIC_BAD_LEN";
    case OfError::BicEperm:
      return "OFPBIC_EPERM";
    case OfError::BicDupInst:
      return "OFPBIC_DUP_INST";
    case OfError::BmcBadType:
      return "OFPBMC_BAD_TYPE";
    case OfError::BmcBadLen:
      return "OFPBMC_BAD_LEN";
    case OfError::BmcBadTag:
      return "OFPBMC_BAD_TAG";
    case OfError::BmcBadDlAddrMask:
      return "OFPBMC_BAD_DL_ADDR_MASK";
    case OfError::BmcBadNwAddrMask:
      return "OFPBMC_BAD_NW_ADDR_MASK";
    case OfError::BmcBadWildcards:
      return "OFPBMC_BAD_WILDCARDS";
    case OfError::BmcBadField:
      return "OFPBMC_BAD_FIELD";
    case OfError::BmcBadValue:
      return "OFPBMC_BAD_VALUE";
    case OfError::BmcBadMask:
      return "OFPBMC_BAD_MASK";
    case OfError::BmcBadPrereq:
      return "OFPBMC_BAD_PREREQ";
    case OfError::BmcDupField:
      return "OFPBMC_DUP_FIELD";
    case OfError::BmcEperm:
      return "OFPBMC_EPERM";
    case OfError::BmcCtDatapathSupport:
      return "NXBMC_CT_DATAPATH_SUPPORT";
    case OfError::BrcBadLen:
      return "OFPBRC_BAD_LEN";
    case OfError::BrcBadTableId:
      return "OFPBRC_BAD_TABLE_ID";
    case OfError::BrcBadPort:
      return "OFPBRC_BAD_PORT";
    case OfError::FmfcUnknown:
      return "OFPFMFC_UNKNOWN";
    case OfError::FmfcTableFull:
      return "OFPFMFC_TABLE_FULL";
    case OfError::FmfcBadTableId:
      return "OFPFMFC_BAD_TABLE_ID";
    case OfError::FmfcOverlap:
      return "OFPFMFC_OVERLAP";
    case OfError::FmfcBadTimeout:
      return "OFPFMFC_BAD_TIMEOUT";
    case OfError::FmfcBadCommand:
      return "OFPFMFC_BAD_COMMAND";
    case OfError::FmfcBadFlags:
      return "OFPFMFC_BAD_FLAGS";
    case OfError::FmfcBadPriority:
      return "OFPFMFC_BAD_PRIORITY";
  }
  return "unknown error";
}

}  // namespace sluice::field

"""Where Sluice answers a wrong OpenFlow message otherwise than ovs-vswitchd 3.1 on purpose: (versions, what the name of the
mistake matches, Open vSwitch's answer, ours, why). Answers are regular expressions of the whole."""

from openflow_wire import OF10, OF11, OF12, OF13, OF14, OF15

ALL = range(OF10, OF15 + 1)
LATER = range(OF11, OF15 + 1)
REPLY = r"reply \d+"
ANY_TEXT = r".*"

EXCEPTIONS = [
    # -- the frame
    (ALL, r"^(headers: (type 1 |error of)|bundles: )", r"OFPBRC_BAD_TYPE", r"nothing|OFPBRC_BAD_VERSION",
     "an error is no request: it is never answered with an error, so that two switches cannot talk for ever"),
    (ALL, r"^headers: type 1 with", r"OFPBRC_BAD_(TYPE|LEN)", r"nothing|OFPBRC_BAD_LEN", "as above"),
    (ALL, r"^(hellos: again|headers: type 0 with)", r"OFPBRC_BAD_TYPE", r"nothing", "a hello that is repeated changes nothing"),
    (ALL, r"^headers: (echo|error) of version (0|7|200)", r"reply 3|OFPBRC_BAD_TYPE", r"OFPBRC_BAD_VERSION",
     "what a message of an unknown version is, nobody can know"),
    (ALL, r"^experimenters: multipart of 0x4f4e4600", r"OFPBRC_BAD_VENDOR", r"OFPBRC_BAD_SUBTYPE",
     "ONF's multipart messages that are not known: ONF is"),
    (ALL, r"^experimenters: message of 0x2320 30", r"OFPBRC_BAD_TYPE", r"OFPBPC_BAD_LEN", "a wrong NXT_PACKET_IN2: either is true"),
    (ALL, r"^(experimenters: message of 0x2320 28|nicira_messages: resume)|as_secondary: resume",
     r"(reply \d+, )?OFPBRC_BAD_LEN", r"(reply \d+, )?OFPBPC_BAD_LEN",
     "the length of a property is wrong, not that of the message"),
    (range(OF13, OF15 + 1), r"^multiparts: (type \d+, more|flags)", r"nothing", r"OFPBRC_BAD_LEN|OFPMOFC_BAD_FLAGS",
     "each part of a request is checked when it comes"),
    # -- matches
    (ALL, r"^matches: .*value beyond its mask", r"OFPBMC_BAD_WILDCARDS", r"OFPBMC_BAD_FIELD",
     "that the field is unknown comes before what its mask says"),
    (ALL, r"^matches: .*field 36, (odd )?mask", r"OFPBMC_BAD_MASK", r"OFPBMC_BAD_PREREQ", "both are true"),
    ([OF11], r"^matches: in_port 0xffffff00", r"nothing", r"OFPBMC_BAD_VALUE", "no port has this number"),
    # -- actions
    (ALL, r"^actions: (many )?clones in clones", r"nothing", r"OFPBAC_TOO_MANY", "lists are nested 16 deep at most"),
    ([OF11], r"^actions: MPLS action", r"OFPBAC_MATCH_INCONSISTENT", r"OFPBAC_BAD_ARGUMENT", "both are true"),
    (ALL, r"set field|set_field|type 25 of|subtype 33", r"OFPBAC_BAD_SET_(TYPE|LEN)", r"OFPBAC_BAD_SET_(TYPE|LEN)",
     "BAD_SET_TYPE is for fields that are not known, BAD_SET_LEN for those that are; there it depends on a hash of the header"),
    ([OF15], r"^actions: set field 6 with a mask of zeros", r"OFPBAC_BAD_SET_ARGUMENT", r"OFPBAC_MATCH_INCONSISTENT", "nothing is set"),
    (ALL, r"subtype 6, 6 zeros|type 28 of 16|learn2 flags", r"OFPBMC_BAD_(LEN|FIELD)|NXBRC_UNENCODABLE_ERROR", r"OFPBAC_BAD_LEN",
     "the action is too short, there is no match"),
    (ALL, r"^nicira_actions: subtype 255", r"nothing|OFPBAC_BAD_LEN", r"OFPBAC_BAD_VENDOR_TYPE", "an action for tests of Open vSwitch"),
    (ALL, r"subtype 22|write_metadata among", r"nothing|OFPBIC_UNSUP_INST|OFPBAC_BAD_LEN", r"nothing|OFPBAC_BAD_VENDOR_TYPE",
     "Nicira's write_metadata is of 1.0, where a packet-out can have it"),
    (ALL, r"(load into|output of) a mask", r"nothing", r"OFPBAC_BAD_SET_TYPE", "the header of a masked field names no field to write"),
    (ALL, r"controller2 property 4", r"nothing", r"OFPBPC_BAD_LEN", "a flag has no value"),
    (ALL, r"bundle_load of too many|learn of an unknown kind", r"nothing|OFPBAC_BAD_SET_ARGUMENT", r"OFPBAC_BAD_ARGUMENT",
     "more members than can be; a learn spec with reserved bits"),
    (ALL, r"delete_field 0001\w\w7c", r"NXFMFC_INVALID_TLV_FIELD", r"nothing", "there is nothing to remove"),
    (ALL, r"encap of|subtype 46", r"nothing|OFPFMFC_UNKNOWN|NXBAC_BAD_ED_PROP|NXBAC_UNKNOWN_ED_PROP",
     r"nothing|OFPBAC_BAD_TYPE|NXBAC_UNKNOWN_ED_PROP|OFPBPC_BAD_LEN",
     "encap of anything but Ethernet is not supported; properties of NSH belong to encap(nsh)"),
    (ALL, r"^ct_actions: nat flags 0 range", r"OFPBAC_MATCH_INCONSISTENT", r"nothing", "a nat without src or dst uses no address"),
    (LATER, r"^instructions: write ct", r"OFPBAC_MATCH_INCONSISTENT", r"nothing", "what an action set meets is known when it runs"),
    (ALL, r"bundle_load of one that cannot be", r"OFPBAC_BAD_SET_ARGUMENT", r"OFPBAC_BAD_OUT_PORT", "both are true"),
    ([OF10], r"set_mpls_(label|tc) too large", r"nothing", r"OFPBAC_BAD_ARGUMENT", "the field has no room for it"),
    (ALL, r"subtype 50, 14 zeros", r"OFPBMC_BAD_FIELD", r"OFPBAC_BAD_ARGUMENT", "in_port is a field, but none of a tunnel option"),
    # -- instructions and flow-mods
    (LATER, r"^instructions: (type 6 |meter |goto and then meter)", r"NXBRC_UNENCODABLE_ERROR|OFPBIC_(DUP_INST|BAD_LEN)", r"OFPBIC_UNKNOWN_INST",
     "meters came with 1.3, and are an action in 1.5"),
    (LATER, r"^instructions: goto 255", r"nothing", r"OFPBIC_BAD_TABLE_ID", "there is no table 255"),
    (LATER, r"^flow_mods: table 254", r"nothing", r"OFPBRC_EPERM", "table 254 is nobody's"),
    # -- groups, meters
    (range(OF11, OF14 + 1), r"^group_mods: (command [35],|group 0x\w+, command [35])", ANY_TEXT,
     r"OFPGMFC_BAD_COMMAND|NXBRC_UNENCODABLE_ERROR", "buckets are inserted and removed from 1.5 on"),
    (LATER, r"^group_mods: (group 0x\w+, command 1)", r"OFPGMFC_UNKNOWN_GROUP", r"OFPGMFC_INVALID_GROUP", "no group can have this number"),
    (LATER, r"^group_mods: (bucket with the group itself|loop)", r"nothing", r"OFPGMFC_LOOP", "OpenFlow 1.5.1 section 7.3.4.3"),
    ([OF11, OF12], r"^group_mods: command 2, type 3|delete with buckets", r"OFPGMFC_INVALID_GROUP", r"nothing",
     "what a delete says of buckets means nothing before 1.3"),
    ([OF15], r"^group_mods: (command 2, type|delete with buckets|insert into an indirect)", r"nothing", r"OFPGMFC_INVALID_GROUP",
     "a delete with buckets, as in 1.3; a second bucket of an indirect group"),
    ([OF15], r"^group_mods: command 3, type", r"OFPGMFC_BAD_BUCKET", r"OFPGMFC_BAD_TYPE", "both are true"),
    ([OF15], r"^group_mods: length of actions 0 in a bucket", r"nothing", r"OFPBPC_BAD_(LEN|TYPE)", "what follows is no property"),
    ([OF15], r"^group_mods: selection", r"nothing|OFPBMC_BAD_MASK", r"nothing|OFPBMC_BAD_MASK",
     "a field that is masked by zero chooses nothing"),
    ([OF14, OF15], r"selection of another vendor|of an experimenter|async property", r"OFPBPC_BAD_EXP_TYPE|OFPBRC_BAD_TYPE",
     r"OFPBPC_BAD_EXPERIMENTER", "the experimenter is not known, whatever its type"),
    ([OF13, OF14, OF15], r"^meters: remark by", r"OFPMMFC_BAD_BAND", r"nothing", "dscp_remark is supported"),
    # -- ports, tables, queues
    ([OF14, OF15], r"^ports_tables_queues: table-mod property", r"OFPBRC_BAD_TYPE", r"OFPBPC_BAD_TYPE", "it is the property's type"),
    (ALL, r"queue (statistics|descriptions)", REPLY, r"OFPQOFC_BAD_QUEUE", "ports without QoS have no queues"),
    ([OF13, OF14, OF15], r"^table_features: table 254", r"OFPTFFC_EPERM", r"OFPTFFC_BAD_TABLE", "there is no table 254"),
    ([OF15], r"^table_features: the mandatory properties and command 1", r"reply 19", r"OFPTFFC_EPERM",
     "it asks for a table that can do nothing"),
    # -- secondaries
    (ALL, r"^as_secondary: flush", REPLY, r"reply \d+, OFPBRC_(EPERM|IS_SECONDARY)", "connections are not a secondary's to end"),
    ([OF13, OF14, OF15], r"^as_secondary: table features that change", ANY_TEXT, r"reply 25, OFPBRC_IS_SECONDARY",
     "OpenFlow 1.4.0 section 6.3.4"),
    # -- bundles
    ([OF13, OF14, OF15], r"^bundles: control (8|9|65535)", r"(reply \d+|, )+", r"((reply \d+|, )*)OFPBFC_BAD_TYPE(@-2)?((reply \d+|, )*)",
     "no such request"),
    ([OF13, OF14, OF15], r"^bundles: a port-mod", r"reply \d+, OFPBFC_MSG_FAILED@-2, OFPBFC_MSG_FAILED",
     r"reply \d+, OFPPMFC_BAD_(HW_ADDR|PORT)@-2, OFPBFC_MSG_FAILED", "port-mods may stand in bundles"),
    # -- ct_flush
    (ALL, r"^ct_flushes", r"nothing", r"OFPBPC_BAD_TYPE", "what it asks for and is not understood would flush more than it means to"),
    # -- flow monitors
    (ALL, r"^(flow_monitors|experimenters: multipart of 0x2320 2,|multiparts: type 16)", ANY_TEXT,
     r"(reply \d+, )?(OFPMOFC_\w+|OFPBMC_BAD_(LEN|FIELD)|OFPBRC_BAD_(LEN|TABLE_ID)|NXBRC_UNENCODABLE_ERROR)",
     "errors have the version's own code, and the request's beginning as data"),
    ([OF14, OF15], r"^flow_monitors: port in the middle", r"OFPBAC_BAD_OUT_PORT@\? of another xid", r"reply 19", "no flow outputs there"),
    ([OF15], r"^packet_outs: match with standard match", r"OFPBMC_BAD_TYPE", r"OFPBMC_BAD_LEN", "its length is wrong too"),
]

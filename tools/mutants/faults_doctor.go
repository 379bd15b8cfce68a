package main

// The suites that notice them.
var (
	examining           = suite{dir: "server/doctor"}
	examiningCluster    = suite{dir: "server/doctor", run: "^Test(ClusterUnseen|SlotRanges|WhichSlotsCommand)$"}
	examiningProtection = suite{dir: "server/doctor", run: "^Test(Protection|ProtectionByTLS|MasterBySentinel|TakesAnybody|TakesAnybodyHere|AsksWithoutPassword)$"}
	examiningSlowLog    = suite{dir: "server/doctor", run: "^Test(SlowLog|Recent)$"}
	examiningNodes      = suite{dir: "server/doctor", run: "^TestNodesMissed$"}
	examiningSentinels  = suite{dir: "server/doctor", run: "^TestSentinelsDiffer$"}
	examiningUntold     = suite{dir: "server/doctor", run: "^Test(InfoLacks|NoSuchSetting|RemediesTell|SlotsOnTheMove|KeysDenied)$"}
	examiningScript     = suite{dir: "server/cmd/sluice", run: "^TestScripts$/^doctor$"}
	redisKinds          = suite{dir: "store/redisstore", run: "^Test(KindOf|MeantToStay)"}
)

// doctorFaults are in what is said of a Redis.
var doctorFaults = []fault{
	{
		name: "a Redis that forgets all when memory is full is no failure",
		file: "server/doctor/memory.go", by: examining,
		old: "return f.as(Failure, remedy)\n}\n\nfunc memory",
		new: "return f\n}\n\nfunc memory",
	},
	{
		name: "the master that is worst off is not the one that is told of",
		file: "server/doctor/doctor.go", by: examining,
		old: "return int(a.Result) - int(b.Result)",
		new: "return int(b.Result) - int(a.Result)",
	},
	{
		name: "a command that the user may not use is not missed",
		file: "server/doctor/rights.go", by: examining,
		old: `strings.HasPrefix(refusal, "noperm") ||`,
		new: `false ||`,
	},
	{
		name: "what Redis does not tell is a failure",
		file: "server/doctor/untold.go", by: examining,
		old: `refuses %s (%s)", names, refusal).as(Note, "give the user "+`,
		new: `refuses %s (%s)", names, refusal).as(Failure, "give the user "+`,
	},
	{
		name: "the key that was written to try it stays",
		file: "server/doctor/rights.go", by: suite{dir: "server/doctor", run: "^TestAllWell$"},
		old: "_ = n.do(ctx, \"DEL\", key)",
		new: "_ = key",
	},
	{
		name: "to try whether a log can be written begins one for good",
		file: "server/doctor/rights.go", by: suite{dir: "server/doctor", run: "^Test(RightsLeaveNothing|TrialsWriteNothing)$"},
		old: `on("XADD", "stream", "NOMKSTREAM", "*", "f", "1")`,
		new: `on("XADD", "stream", "*", "f", "1")`,
	},
	{
		name: "the key that is written to try it lives on where it cannot be removed",
		file: "server/doctor/rights.go", by: suite{dir: "server/doctor", run: "^TestRightsLeaveNothing$"},
		old: `n.do(ctx, "SET", key, "1", "PX", scratchLife)`,
		new: `n.do(ctx, "SET", key, "1")`,
	},
	{
		name: "an override for good is taken for a key that has lost its time to live",
		file: "store/redisstore/keykind.go", by: redisKinds,
		old: "bigEndian(standing[:instant]) == 0",
		new: "bigEndian(standing[:instant]) != 0",
	},
	{
		name: "a counter without a time to live is passed over",
		file: "server/doctor/survey.go", by: examining,
		old: "case left == -1 && !n.stays(ctx, kind, key):",
		new: "case left == -1 && n.stays(ctx, kind, key):",
	},
	{
		name: "a prefix is taken for a pattern",
		file: "server/doctor/survey.go", by: examining,
		old: "pattern := escape(p.config.Prefix)",
		new: "pattern := p.config.Prefix",
	},
	{
		name: "uncovered slots are well",
		file: "server/doctor/cluster.go", by: examining,
		old: "case owned < allSlots:",
		new: "case owned == 0:",
	},
	{
		name: "a clock that is behind is well",
		file: "server/doctor/speed.go", by: examining,
		old: "farthest.Abs() >= clockOff",
		new: "farthest >= clockOff",
	},
	{
		name: "a Cluster that the client takes for a single server is well",
		file: "server/doctor/patient.go", by: examiningCluster,
		old: "p.unseen = !p.onCluster() && n.ofCluster()",
		new: "p.unseen = false && n.ofCluster()",
	},
	{
		name: "doctor tries one of the commands that tell the slots alone",
		file: "server/doctor/rights.go", by: examiningCluster,
		old: "{[]attempt{other}, without, Note},",
		new: "{[]attempt{other}[:0], without, Note},",
	},
	{
		name: "doctor takes CLUSTER SLOTS for what a client of Redis 8 asks",
		file: "server/doctor/rights.go", by: examiningCluster,
		old: "asked, other = shards, slots",
		new: "asked, other = slots, shards",
	},
	{
		name: "a permission to follow slots that move is not missed",
		file: "server/doctor/rights.go", by: examiningCluster,
		old: `{[]attempt{plain("+asking", "ASKING")},`,
		new: `{[]attempt{plain("+asking", "PING")},`,
	},
	{
		name: "slots that CLUSTER SHARDS tells are nobody's",
		file: "server/doctor/slots.go", by: examiningCluster,
		old: `is == "master"`,
		new: `is == "replica"`,
	},
	{
		name: "a Redis is where the Sentinels are",
		file: "server/doctor/patient.go", by: examiningProtection,
		old: "n.name = name\n",
		new: "_ = name\n",
	},
	{
		name: "a Redis is as protected as the node that the URL names",
		file: "server/doctor/protection.go", by: examiningProtection,
		old: "range p.addresses() {",
		new: "range p.option.InitAddress {",
	},
	{
		name: "skip_hostname is taken for skip_verify",
		file: "server/doctor/protection.go", by: examiningProtection,
		old: "trusted.InsecureSkipVerify && trusted.VerifyConnection == nil:",
		new: "trusted.InsecureSkipVerify:",
	},
	{
		name: "a certificate of anybody by skip_hostname is well",
		file: "server/doctor/protection.go", by: examiningProtection,
		old: "trusted.InsecureSkipVerify && trusted.RootCAs == nil:",
		new: "false:",
	},
	{
		name: "a Redis that Sluice has a password for is closed to others",
		file: "server/doctor/protection.go", by: examiningProtection,
		old: "if named {",
		new: "if false {",
	},
	{
		name: "the remedy sets the user off that Sluice is",
		file: "server/doctor/protection.go", by: examiningProtection,
		old: `if p.option.Username == "" || p.option.Username == "default" {`,
		new: "if false {",
	},
	{
		name: "who has a certificate is anybody",
		file: "server/doctor/protection.go", by: examiningProtection,
		old: "trusted.Certificates = nil",
		new: "_ = trusted",
	},
	{
		name: "a server that takes a connection without a word is waited for without end",
		file: "server/doctor/protection.go", by: examiningProtection,
		old: "if conn.SetDeadline(time.Now().Add(unnamedTime)) != nil {",
		new: "if conn == nil {",
	},
	{
		name: "a Redis that takes anybody on this machine is a warning",
		file: "server/doctor/protection.go", by: examiningProtection,
		old: "return f.as(Note, p.shutDefault())",
		new: "return f.as(Warning, p.shutDefault())",
	},
	{
		name: "an answer of INFO that lacks a field is no answer",
		file: "server/doctor/untold.go", by: examiningUntold,
		old: "if n.untold != nil {\n",
		new: "if n.untold != nil || field != \"\" {\n",
	},
	{
		name: "a server that does not say its role is a replica",
		file: "server/doctor/server.go", by: examiningUntold,
		old: `case n.info["role"] == "":`,
		new: `case n.info == nil:`,
	},
	{
		name: "a setting that there is not is no answer",
		file: "server/doctor/untold.go", by: examiningUntold,
		old: "errors.As(err, &lacks) ||",
		new: "errors.As(err, &lacks) && false ||",
	},
	{
		name: "a remedy is a permission that Redis does not know",
		file: "server/doctor/untold.go", by: examiningUntold,
		old: `strings.ReplaceAll(command, " ", "|")`,
		new: `strings.ReplaceAll(command, " ", "+")`,
	},
	{
		name: "a slot that is on the move is for want of permissions",
		file: "server/doctor/rights.go", by: examiningUntold,
		old: "return gone || going || refusal.IsTryAgain()",
		new: "return false && gone && going",
	},
	{
		name: "slots that move at another node than the first do not move",
		file: "server/doctor/cluster.go", by: examiningUntold,
		old: "slices.ContainsFunc(p.masters, func(n *node)",
		new: "slices.ContainsFunc(p.masters[:1], func(n *node)",
	},
	{
		name: "a key that is on the move ends the walk through the keys",
		file: "server/doctor/survey.go", by: examiningUntold,
		old: "if moved(err1) || moved(err2) {",
		new: "if false {",
	},
	{
		name: "keys that the user may not touch are commands that he may not use",
		file: "server/doctor/untold.go", by: examiningUntold,
		old: `return strings.HasPrefix(refusal, "NOPERM") && keysDenied`,
		new: `return false && keysDenied`,
	},
	{
		name: "what was slow once is told of for ever",
		file: "server/doctor/speed.go", by: examiningSlowLog,
		old: "now.Sub(c.at) > slowAge",
		new: "now.Sub(c.at) > 1000*slowAge",
	},
	{
		name: "nothing is slow where a server does not say what time it is",
		file: "server/doctor/speed.go", by: examiningSlowLog,
		old: "commands, span := slowCommands(entries), \"of the whole slow log\"",
		new: "commands, span := slowCommands(entries[:0]), \"of the whole slow log\"",
	},
	{
		name: "a node without slots that is gone keeps Sluice from working",
		file: "server/doctor/cluster.go", by: examiningNodes,
		old: "case !n.slots:",
		new: "case false:",
	},
	{
		name: "what one node alone misses keeps Sluice from working",
		file: "server/doctor/cluster.go", by: examiningNodes,
		old: "case lost || len(p.silent) > 0:",
		new: "case true:",
	},
	{
		name: "a master that is silent to the doctor, too, serves",
		file: "server/doctor/cluster.go", by: examiningNodes,
		old: "case lost || len(p.silent) > 0:",
		new: "case lost:",
	},
	{
		name: "Sentinels that watch different masters are well",
		file: "server/doctor/replicas.go", by: examiningSentinels,
		old: "len(masters) > 1",
		new: "len(masters) > 2",
	},
	{
		name: "a Sentinel that knows no master is none that differs",
		file: "server/doctor/replicas.go", by: examiningSentinels,
		old: `return "it knows none", true`,
		new: `return "it knows none", false`,
	},
	{
		name: "doctor ends well with warnings",
		file: "server/cmd/sluice/doctor.go", by: examiningScript,
		old: "return errWarned",
		new: "return nil",
	},
}

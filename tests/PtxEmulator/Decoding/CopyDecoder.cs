namespace PtxEmulator.Decoding;

/// <summary>Asynchronous copies.</summary>
internal static class CopyDecoder
{
    public static Instruction Decode(DecodeContext context)
    {
        Statement statement = context.Statement;
        if (statement.Parts.Length < 3 || statement.Parts[1] != "async")
            throw statement.Unknown();
        switch (statement.Parts[2])
        {
            case "commit_group" when statement.Parts.Length == 3:
                return new AsyncCopyGroupInstruction(true, null);
            case "wait_all" when statement.Parts.Length == 3:
                return new AsyncCopyGroupInstruction(false, null);
            case "wait_group" when statement.Parts.Length == 3:
                return new AsyncCopyGroupInstruction(false, (int)context.Literal(0));
            case "ca" or "cg":
                return Copy(context);
            default:
                throw statement.Unknown();
        }
    }

    private static AsyncCopyInstruction Copy(DecodeContext context)
    {
        Statement statement = context.Statement;
        statement.Allow("async", "ca", "cg", "shared", "shared::cta", "global", "L2::64B", "L2::128B", "L2::256B",
            "L2::cache_hint");
        statement.Expect(3, statement.Has("L2::cache_hint") ? 5 : 4);
        long bytes = context.Literal(2);
        bool isKnown = statement.Has("cg") ? bytes == 16 : bytes is 4 or 8 or 16;
        if (!isKnown || !statement.Has("global"))
            throw statement.Error($"a copy of {bytes} bytes is not supported");
        bool hasSourceBytes = context.OperandCount > 3 && !context.IsPredicate(3) && !statement.Has("L2::cache_hint");
        context.Builder.NoteSharedAccess((int)bytes);
        return new AsyncCopyInstruction
        {
            To = context.Address(0),
            From = context.Address(1),
            Bytes = (int)bytes,
            SourceBytes = hasSourceBytes ? context.Source(3, PtxType.U32) : null,
            Ignored = context.OperandCount > 3 && context.IsPredicate(3) ? context.Predicate(3) : null,
        };
    }
}

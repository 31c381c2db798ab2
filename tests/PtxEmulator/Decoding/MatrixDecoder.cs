namespace PtxEmulator.Decoding;

/// <summary>Matrix instructions.</summary>
internal static class MatrixDecoder
{
    private const int FlopsPerFma = 2;

    public static Instruction Decode(DecodeContext context)
        => context.Name == "mma" ? Multiply(context) : Access(context);

    private static MmaInstruction Multiply(DecodeContext context)
    {
        Statement statement = context.Statement;
        statement.Expect(4, 4);
        IReadOnlyList<PtxType> types = statement.Types;
        bool isAligned = statement.Has("sync") && statement.Has("aligned") && statement.Has("row")
            && statement.Has("col");
        if (!isAligned || types.Count != 4)
            throw statement.Unknown();
        (PtxType d, PtxType a, PtxType b, PtxType c) = (types[0], types[1], types[2], types[3]);
        int depth = statement.Has("m16n8k16") ? 16 : statement.Has("m16n8k8") ? 8 : statement.Has("m16n8k4") ? 4 : 0;
        bool areInputsKnown = a == b && (a.Kind, a.Bits, depth)
            is (PtxTypeKind.Float or PtxTypeKind.BFloat, 16, 8 or 16)
            or (PtxTypeKind.TensorFloat, 32, 4 or 8);
        bool areResultsKnown = d == c && (d == PtxType.F32 || (a.Kind == PtxTypeKind.Float && d == a));
        if (!areInputsKnown || !areResultsKnown)
            throw statement.Unknown();
        statement.Allow("sync", "aligned", "row", "col", $"m16n8k{depth}");
        var shape = new MatrixShape(depth, a.Bits);
        int results = d == PtxType.F32 ? 4 : 2;
        return new MmaInstruction(shape)
        {
            KindA = a.Kind,
            KindB = b.Kind,
            D = Registers(context, 0, results, isDestination: true),
            A = Registers(context, 1, shape.RegistersA, isDestination: false),
            B = Registers(context, 2, shape.RegistersB, isDestination: false),
            C = Registers(context, 3, results, isDestination: false),
            Flops = FlopsPerFma * MatrixShape.Rows * MatrixShape.Columns * depth / Lanes.Count,
        };
    }

    private static MatrixAccessInstruction Access(DecodeContext context)
    {
        Statement statement = context.Statement;
        bool isStore = context.Name == "stmatrix";
        statement.Allow("sync", "aligned", "m8n8", "x1", "x2", "x4", "trans", "shared", "shared::cta");
        statement.Expect(2, 2);
        int count = statement.Has("x4") ? 4 : statement.Has("x2") ? 2 : statement.Has("x1") ? 1 : 0;
        if (count == 0 || !statement.Has("sync") || !statement.Has("aligned") || !statement.Has("m8n8"))
            throw statement.Unknown();
        context.Builder.NoteSharedAccess(16);
        return new MatrixAccessInstruction
        {
            IsStore = isStore,
            IsTransposed = statement.Has("trans"),
            IsGeneric = !statement.Has("shared") && !statement.Has("shared::cta"),
            Address = context.Address(isStore ? 0 : 1),
            Registers = Registers(context, isStore ? 1 : 0, count, !isStore),
        };
    }

    /// <summary>The 32-bit registers of a vector operand.</summary>
    public static int[] Registers(DecodeContext context, int index, int count, bool isDestination)
    {
        IReadOnlyList<Operand> elements = context.Elements(index);
        if (elements.Count != count)
        {
            throw context.Statement.Error($"operand {index + 1} must have {count} registers, it has "
                + $"{elements.Count}");
        }
        LaneSlot[] slots = [.. elements.Select(element => isDestination ? context.LaneDestination(element)
            : context.LaneSource(element, PtxType.B32))];
        return Array.TrueForAll(slots, slot => slot is { LaneBytes: sizeof(uint), Slot: >= 0 })
            ? Array.ConvertAll(slots, slot => slot.Slot)
            : throw context.Statement.Error($"the registers of operand {index + 1} must have 32 bits");
    }
}

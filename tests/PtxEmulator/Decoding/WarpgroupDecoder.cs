using System.Globalization;

namespace PtxEmulator.Decoding;

/// <summary>Matrix instructions of warpgroups (<c>wgmma</c>) and the fence that orders what they read.</summary>
internal static class WarpgroupDecoder
{
    private const int MaxColumns = 256;
    private const string ShapeStart = "m64n";
    private const string ShapeEnd = "k16";

    public static Instruction Decode(DecodeContext context)
    {
        Statement statement = context.Statement;
        context.Builder.Target.RequireHopper(statement);
        if (statement.Parts.Length < 4 || !statement.Has("sync") || !statement.Has("aligned"))
            throw statement.Unknown();
        context.Builder.HasWarpgroups = true;
        switch (statement.Parts[1])
        {
            case "fence" when statement.Parts.Length == 4:
                statement.Expect(0, 0);
                return new WarpgroupFenceInstruction();
            case "commit_group" when statement.Parts.Length == 4:
                statement.Expect(0, 0);
                return new WarpgroupCommitInstruction();
            case "wait_group" when statement.Parts.Length == 4:
                statement.Expect(1, 1);
                return context.Literal(0) is >= 0 and var count ? new WarpgroupWaitInstruction((int)count)
                    : throw statement.Error($"a count of {context.Literal(0)} groups; it must not be negative");
            case "mma_async":
                return Multiply(context);
            default:
                throw statement.Unknown();
        }
    }

    /// <summary><c>fence.proxy.async</c>.</summary>
    public static Instruction Fence(DecodeContext context)
    {
        context.Statement.Allow("proxy", "async", "global", "shared::cta", "shared::cluster");
        context.Statement.Expect(0, 0);
        return new ProxyFenceInstruction(!context.Has("global"));
    }

    private static WarpgroupMmaInstruction Multiply(DecodeContext context)
    {
        Statement statement = context.Statement;
        IReadOnlyList<PtxType> types = statement.Types;
        int columns = Columns(statement);
        statement.Allow("mma_async", "sync", "aligned", $"{ShapeStart}{columns}{ShapeEnd}");
        if (types.Count != 3 || types[1] != types[2] || types[1].Bits != 16
            || types[1] is not { Kind: PtxTypeKind.Float or PtxTypeKind.BFloat, Count: 1 })
        {
            throw statement.Unknown();
        }
        if (types[0] != PtxType.F32)
        {
            throw statement.Error($"the accumulators of '{statement.Opcode}' must be float32 (.f32); others are not "
                + "supported");
        }
        bool hasRegisters = context.Operand(1) is VectorOperand;
        int operands = hasRegisters ? 7 : 8;
        statement.Expect(operands, operands);
        int last = operands - 1;
        (int scale, uint scaleFlip) = context.Predicate(3);
        context.Builder.NoteSharedAccess(MatrixDescriptor.ChunkBytes);
        return new WarpgroupMmaInstruction
        {
            Columns = columns,
            Kind = types[1].Kind,
            D = Registers(context, 0, columns / 2, isDestination: true),
            A = hasRegisters ? Registers(context, 1, 4, isDestination: false) : null,
            DescriptorA = hasRegisters ? -1 : context.Source(1, PtxType.B64),
            DescriptorB = context.Source(2, PtxType.B64),
            Accumulates = scale,
            AccumulatesFlip = scaleFlip,
            IsNegatedA = IsNegated(context, 4),
            IsNegatedB = IsNegated(context, 5),
            IsTransposedA = !hasRegisters && IsTransposed(context, 6),
            IsTransposedB = IsTransposed(context, last),
            // Two for each product, divided by the threads of a warpgroup.
            Flops = 2 * WarpgroupMmaInstruction.Rows * columns * WarpgroupMmaInstruction.Depth
                / (Warpgroup.WarpCount * Lanes.Count),
        };
    }

    private static int Columns(Statement statement)
    {
        string shape = statement.Parts.FirstOrDefault(part => part.StartsWith(ShapeStart, StringComparison.Ordinal))
            ?? throw statement.Unknown();
        bool isKnown = int.TryParse(shape[ShapeStart.Length..].Replace(ShapeEnd, "", StringComparison.Ordinal),
            NumberStyles.None, CultureInfo.InvariantCulture, out int columns)
            && shape == $"{ShapeStart}{columns}{ShapeEnd}" && columns % 8 == 0 && columns is > 0 and <= MaxColumns;
        return isKnown ? columns : throw statement.Error($"the shape '.{shape}' must be .{ShapeStart}N{ShapeEnd} with "
            + $"N a multiple of 8 up to {MaxColumns}");
    }

    private static bool IsNegated(DecodeContext context, int index) => context.Literal(index) switch
    {
        1 => false,
        -1 => true,
        long value => throw context.Statement.Error($"the scale in operand {index + 1} must be 1 or -1, it is {value}"),
    };

    private static bool IsTransposed(DecodeContext context, int index) => context.Literal(index) switch
    {
        0 => false,
        1 => true,
        long value => throw context.Statement.Error(
            $"the transposition in operand {index + 1} must be 0 or 1, it is {value}"),
    };

    private static int[] Registers(DecodeContext context, int index, int count, bool isDestination)
    {
        int[] slots = MatrixDecoder.Registers(context, index, count, isDestination);
        return isDestination && slots.Distinct().Count() != count
            ? throw context.Statement.Error($"the registers of operand {index + 1} must differ") : slots;
    }
}

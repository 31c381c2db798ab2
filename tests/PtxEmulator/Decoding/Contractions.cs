namespace PtxEmulator.Decoding;

/// <summary>Finds sums that an assembler may fuse with a product: an <c>add</c> or <c>sub</c> without rounding modifier
/// that uses the result of such a <c>mul</c>. PTX ISA, Floating-Point Instructions: add, mul.</summary>
/// <remarks>Only products of the same basic block are known.</remarks>
internal sealed class Contractions
{
    private static readonly string[] s_roundings = ["rn", "rz", "rm", "rp"];

    // By the register of the product.
    private readonly Dictionary<int, Product> _products = [];

    /// <summary>Forgets all products, where a basic block starts.</summary>
    public void Clear() => _products.Clear();

    /// <summary>Notes an instruction.</summary>
    /// <returns>The instruction, or one that is fused in the mode for contraction.</returns>
    public Instruction Note(DecodeContext context, Instruction instruction)
    {
        Statement statement = context.Statement;
        bool isPlain = context.Name is "add" or "sub" or "mul" && statement.Type is
        { Kind: PtxTypeKind.Float, Bits: 32 or 64 } && !Array.Exists(s_roundings, statement.Has);
        Instruction result = isPlain && context.Name != "mul" ? Fuse(context, instruction) : instruction;
        Product? product = isPlain && context.Name == "mul" && statement.Guard == null && !statement.Has("sat")
            ? new Product(context.Source(1, statement.Type), context.Source(2, statement.Type), statement.Type,
                statement.Has("ftz"))
            : null;
        foreach (int slot in Destinations(context, statement.Operands))
        {
            Forget(slot);
            if (product is { } known && slot != known.A && slot != known.B)
                _products[slot] = known;
        }
        return result;
    }

    private Instruction Fuse(DecodeContext context, Instruction separate)
    {
        PtxType type = context.Statement.Type;
        (int a, int b) = (context.Source(1, type), context.Source(2, type));
        bool isDifference = context.Name == "sub";
        List<Instruction> fused = [];
        if (Find(context, a) is { } first)
        {
            fused.Add(isDifference ? FloatDecoder.Fused<
                NegatedAddend<FusedMultiplyAdd32, float>, NegatedAddend<FusedMultiplyAdd64, double>>(
                    context, first.A, first.B, b)
                : FloatDecoder.Fused<FusedMultiplyAdd32, FusedMultiplyAdd64>(context, first.A, first.B, b));
        }
        if (Find(context, b) is { } second)
        {
            fused.Add(isDifference
                ? FloatDecoder.Fused<
                    NegatedProduct<FusedMultiplyAdd32, float>, NegatedProduct<FusedMultiplyAdd64, double>>(
                        context, second.A, second.B, a)
                : FloatDecoder.Fused<FusedMultiplyAdd32, FusedMultiplyAdd64>(context, second.A, second.B, a));
        }
        return fused.Count == 0 ? separate : new ContractibleInstruction(separate, [.. fused]);
    }

    private Product? Find(DecodeContext context, int slot)
        => _products.TryGetValue(slot, out Product product) && product.Type == context.Statement.Type
            && product.IsFlushed == context.Has("ftz") ? product : null;

    private void Forget(int slot)
    {
        foreach ((int product, Product factors) in _products)
        {
            if (product == slot || factors.A == slot || factors.B == slot)
                _products.Remove(product);
        }
    }

    /// <summary>The registers that an instruction may write: those of its first operand.</summary>
    private static IEnumerable<int> Destinations(DecodeContext context, IReadOnlyList<Operand> operands)
        => operands.Count == 0 || operands[0] is AddressOperand ? [] : operands[0].Registers.Select(register
            => context.Frame.SlotOf(register, context.Builder));

    private readonly record struct Product(int A, int B, PtxType Type, bool IsFlushed);
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary><c>mma.sync</c> with 16×8 results. The products are exact and are added in float32 in the order of
/// k, or by <see cref="TruncatedSums"/>.</summary>
internal sealed unsafe class MmaInstruction(MatrixShape shape) : Instruction
{
    private const int MaxDepth = 16;

    // The products that an A100 adds at once have operands of this many bits.
    private const int GroupBits = 128;

    public required PtxTypeKind KindA { get; init; }

    public required PtxTypeKind KindB { get; init; }

    public required int[] A { get; init; }

    public required int[] B { get; init; }

    /// <summary>Four float32 registers, or two registers of packed float16.</summary>
    public required int[] C { get; init; }

    public required int[] D { get; init; }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        warp.RequireWhole(mask);
        float* a = stackalloc float[MatrixShape.Rows * MaxDepth];
        float* b = stackalloc float[MaxDepth * MatrixShape.Columns];
        float* c = stackalloc float[MatrixShape.Rows * MatrixShape.Columns];
        byte* registers = warp.Registers;
        Gather(registers, A, KindA, isA: true, a);
        Gather(registers, B, KindB, isA: false, b);
        GatherC(registers, c);
        bool isTruncated = warp.Block.Launch.Options.TruncatesMatrixSums;
        Vector512<double>* rowsOfB = stackalloc Vector512<double>[MaxDepth];
        for (int k = 0; k < shape.Depth && isTruncated; k++)
            rowsOfB[k] = TruncatedSums.Widen(Vector256.Load(b + (k * MatrixShape.Columns)));
        for (int row = 0; row < MatrixShape.Rows; row++)
        {
            Vector256<float> sum = Vector256.Load(c + (row * MatrixShape.Columns));
            if (isTruncated)
            {
                TruncatedSums.Add(sum, a + (row * shape.Depth), rowsOfB, shape.Depth,
                    GroupBits / shape.ElementBits)
                    .Store(c + (row * MatrixShape.Columns));
                continue;
            }
            for (int k = 0; k < shape.Depth; k++)
            {
                sum = Vector256.FusedMultiplyAdd(Vector256.Create(a[(row * shape.Depth) + k]),
                    Vector256.Load(b + (k * MatrixShape.Columns)), sum);
            }
            Vector256.Store(sum, c + (row * MatrixShape.Columns));
        }
        ScatterD(registers, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Gather(byte* registers, int[] operand, PtxTypeKind kind, bool isA, float* matrix)
    {
        float* elements = stackalloc float[Lanes.Count];
        int columnCount = isA ? shape.Depth : MatrixShape.Columns;
        for (int register = 0; register < operand.Length; register++)
        {
            for (int half = 0; half < shape.Packing; half++)
            {
                MatrixElements.Convert(registers + operand[register], half, kind, shape.ElementBits, elements);
                for (int lane = 0; lane < Lanes.Count; lane++)
                {
                    (int row, int column)
                        = isA ? shape.PlaceOfA(lane, register, half) : shape.PlaceOfB(lane, register, half);
                    matrix[(row * columnCount) + column] = elements[lane];
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void GatherC(byte* registers, float* matrix)
    {
        float* elements = stackalloc float[Lanes.Count];
        for (int element = 0; element < 4; element++)
        {
            float* source = elements;
            if (C.Length == 4)
                source = (float*)(registers + C[element]);
            else
                MatrixElements.Convert(registers + C[element >> 1], element & 1, PtxTypeKind.Float, 16, elements);
            for (int lane = 0; lane < Lanes.Count; lane++)
            {
                (int row, int column) = MatrixShape.PlaceOfC(lane, element);
                matrix[(row * MatrixShape.Columns) + column] = source[lane];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ScatterD(byte* registers, float* matrix)
    {
        for (int element = 0; element < 4; element++)
        {
            for (int lane = 0; lane < Lanes.Count; lane++)
            {
                (int row, int column) = MatrixShape.PlaceOfC(lane, element);
                float value = matrix[(row * MatrixShape.Columns) + column];
                if (D.Length == 4)
                    ((float*)(registers + D[element]))[lane] = value;
                else
                    ((Half*)(registers + D[element >> 1]))[(2 * lane) + (element & 1)] = (Half)value;
            }
        }
    }
}

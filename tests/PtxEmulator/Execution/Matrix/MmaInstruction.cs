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

    // The index in its matrix of each thread's element, by register and half, or by element of C and D.
    private static readonly int[] s_placesOfC = [.. Places(4, 1,
        (lane, element, _) => MatrixShape.PlaceOfC(lane, element), MatrixShape.Columns)];

    private readonly int[] _placesOfA = [.. Places(shape.RegistersA, shape.Packing, shape.PlaceOfA, shape.Depth)];
    private readonly int[] _placesOfB
        = [.. Places(shape.RegistersB, shape.Packing, shape.PlaceOfB, MatrixShape.Columns)];

    public required PtxTypeKind KindA { get; init; }

    public required PtxTypeKind KindB { get; init; }

    public required int[] A { get; init; }

    public required int[] B { get; init; }

    /// <summary>Four float32 registers, or two registers of packed float16.</summary>
    public required int[] C { get; init; }

    public required int[] D { get; init; }

    // Every element is written before it is read.
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        warp.RequireWhole(mask);
        float* a = stackalloc float[MatrixShape.Rows * MaxDepth];
        float* b = stackalloc float[MaxDepth * MatrixShape.Columns];
        float* c = stackalloc float[MatrixShape.Rows * MatrixShape.Columns];
        byte* registers = warp.Registers;
        Gather(registers, A, KindA, _placesOfA, a);
        Gather(registers, B, KindB, _placesOfB, b);
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

    private static IEnumerable<int> Places(int registerCount, int packing,
        Func<int, int, int, (int Row, int Column)> placeOf, int columnCount)
        => from register in Enumerable.Range(0, registerCount)
           from half in Enumerable.Range(0, packing)
           from lane in Enumerable.Range(0, Lanes.Count)
           let place = placeOf(lane, register, half)
           select (place.Row * columnCount) + place.Column;

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Gather(byte* registers, int[] operand, PtxTypeKind kind, int[] places, float* matrix)
    {
        float* elements = stackalloc float[Lanes.Count];
        int packing = shape.Packing;
        fixed (int* first = places)
        {
            int* place = first;
            foreach (int register in operand)
            {
                for (int half = 0; half < packing; half++, place += Lanes.Count)
                {
                    MatrixElements.Convert(registers + register, half, kind, shape.ElementBits, elements);
                    Scatter(elements, place, matrix);
                }
            }
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void GatherC(byte* registers, float* matrix)
    {
        float* elements = stackalloc float[Lanes.Count];
        fixed (int* places = s_placesOfC)
        {
            for (int element = 0; element < 4; element++)
            {
                float* source = elements;
                if (C.Length == 4)
                    source = (float*)(registers + C[element]);
                else
                    MatrixElements.Convert(registers + C[element >> 1], element & 1, PtxTypeKind.Float, 16, elements);
                Scatter(source, places + (element * Lanes.Count), matrix);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scatter(float* elements, int* places, float* matrix)
    {
        for (int lane = 0; lane < Lanes.Count; lane++)
            matrix[places[lane]] = elements[lane];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ScatterD(byte* registers, float* matrix)
    {
        fixed (int* places = s_placesOfC)
        {
            for (int element = 0; element < 4; element++)
            {
                int* place = places + (element * Lanes.Count);
                if (D.Length == 4)
                {
                    float* words = (float*)(registers + D[element]);
                    for (int lane = 0; lane < Lanes.Count; lane++)
                        words[lane] = matrix[place[lane]];
                    continue;
                }

                Half* halves = (Half*)(registers + D[element >> 1]) + (element & 1);
                for (int lane = 0; lane < Lanes.Count; lane++)
                    halves[2 * lane] = (Half)matrix[place[lane]];
            }
        }
    }
}

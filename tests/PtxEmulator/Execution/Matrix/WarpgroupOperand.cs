using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary>Converts the matrices that <c>wgmma</c> reads from shared memory to float32.</summary>
internal static unsafe class WarpgroupOperand
{
    private const int Depth = WarpgroupMmaInstruction.Depth;
    private const int CoreRows = MatrixDescriptor.CoreRows;
    private const int CoreElements = CoreRows * CoreRows;

    /// <summary>Converts A to rows of sixteen elements.</summary>
    /// <param name="bytes">The shared memory.</param>
    /// <param name="addresses">The addresses of the rows of the core matrices.</param>
    /// <param name="instruction">The instruction.</param>
    /// <param name="rows">Receives the elements.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ConvertA(byte* bytes, uint* addresses, WarpgroupMmaInstruction instruction, float* rows)
    {
        float* core = stackalloc float[CoreElements];
        uint sign = instruction.IsNegatedA ? 0x8000_0000 : 0;
        for (int group = 0; group < WarpgroupMmaInstruction.Rows / CoreRows; group++)
        {
            for (int half = 0; half < MatrixDescriptor.CoresAlongDepth; half++, addresses += CoreRows)
            {
                Convert(bytes, addresses, instruction.Kind, sign, core);
                float* target = rows + (group * CoreRows * Depth) + (half * CoreRows);
                for (int row = 0; row < CoreRows; row++)
                {
                    if (!instruction.IsTransposedA)
                    {
                        Vector256.Store(Vector256.Load(core + (row * CoreRows)), target + (row * Depth));
                        continue;
                    }
                    for (int k = 0; k < CoreRows; k++)
                        target[(row * Depth) + k] = core[(k * CoreRows) + row];
                }
            }
        }
    }

    /// <summary>Converts B to the order of <see cref="WarpgroupProduct"/>.</summary>
    /// <inheritdoc cref="ConvertA"/>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ConvertB(byte* bytes, uint* addresses, WarpgroupMmaInstruction instruction, float* packed)
    {
        float* core = stackalloc float[CoreElements];
        uint sign = instruction.IsNegatedB ? 0x8000_0000 : 0;
        var order = Vector256.Create(0, 2, 4, 6, 1, 3, 5, 7);
        for (int group = 0; group < instruction.Columns / CoreRows; group++)
        {
            for (int half = 0; half < MatrixDescriptor.CoresAlongDepth; half++, addresses += CoreRows)
            {
                Convert(bytes, addresses, instruction.Kind, sign, core);
                float* target = packed + WarpgroupProduct.PackedIndex(group, half * CoreRows);
                for (int row = 0; row < CoreRows; row++)
                {
                    if (instruction.IsTransposedB)
                    {
                        Vector256<float> columns = Vector256.Load(core + (row * CoreRows));
                        Vector256.Shuffle(columns, order).Store(target + (row * CoreRows));
                        continue;
                    }
                    int column = WarpgroupProduct.PackedColumn(row);
                    for (int k = 0; k < CoreRows; k++)
                        target[(k * CoreRows) + column] = core[(row * CoreRows) + k];
                }
            }
        }
    }

    /// <summary>Converts the eight rows of a core matrix.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Convert(byte* bytes, uint* addresses, PtxTypeKind kind, uint sign, float* core)
    {
        for (int row = 0; row < CoreRows; row += 2)
        {
            Vector256<ushort> elements = Vector256.Create(Vector128.Load((ushort*)(bytes + addresses[row])),
                Vector128.Load((ushort*)(bytes + addresses[row + 1])));
            (Vector256<uint> lower, Vector256<uint> upper) = Vector256.Widen(elements);
            Vector512<float> values = MatrixElements.ToSingle(Vector512.Create(lower, upper), kind);
            Vector512.Store((values.AsUInt32() ^ Vector512.Create(sign)).AsSingle(), core + (row * CoreRows));
        }
    }
}

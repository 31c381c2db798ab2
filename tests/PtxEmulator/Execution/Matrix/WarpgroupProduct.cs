using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary>The products of the sixteen rows of a warp with B, on accumulators as they are in the registers.</summary>
/// <remarks>
/// Element i of thread t of D is in row t / 4 + 8·(i / 2 mod 2) and column 8·(i / 4) + 2·(t mod 4) + i mod 2. A vector
/// of the sixteen threads of half a register therefore has four rows of A, each four times, and four columns of B of
/// equal parity, four times over.
/// B is packed by groups of eight columns: for each k the even columns, then the odd ones.
/// A is spread for each k over the vectors of the rows 0–3, 4–7, 8–11 and 12–15, each row in four lanes.
/// </remarks>
internal static unsafe class WarpgroupProduct
{
    private const int Depth = WarpgroupMmaInstruction.Depth;
    private const int LanesPerRow = 4;
    private const int RowVectors = 4;

    /// <summary>The elements of spread A.</summary>
    public const int SpreadCount = Depth * RowVectors * 16;

    /// <summary>Places the element of a row of the warp and k in spread A.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Spread(float value, int row, int k, float* spread)
        => Vector128.Create(value).Store(spread + (((k * RowVectors) + (row >> 2)) * 16) + ((row & 3) * LanesPerRow));

    /// <summary>The position in packed B of the first of eight columns.</summary>
    public static int PackedIndex(int group, int k) => ((group * Depth) + k) * MatrixDescriptor.CoreRows;

    /// <summary>The position of a column among eight in packed B.</summary>
    public static int PackedColumn(int column) => ((column & 1) * LanesPerRow) + (column >> 1);

    /// <summary>Adds the products in the order of k, each with one rounding.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(byte* registers, int[] d, bool accumulates, float* a, float* b)
    {
        for (int first = 0; first < d.Length; first += 4, b += Depth * MatrixDescriptor.CoreRows)
        {
            byte* d0 = registers + d[first];
            byte* d1 = registers + d[first + 1];
            byte* d2 = registers + d[first + 2];
            byte* d3 = registers + d[first + 3];
            Vector512<float> even0 = default, even1 = default, even2 = default, even3 = default;
            Vector512<float> odd0 = default, odd1 = default, odd2 = default, odd3 = default;
            if (accumulates)
            {
                (even0, even1) = (Lanes.Load<float>(d0, 0), Lanes.Load<float>(d0, 1));
                (odd0, odd1) = (Lanes.Load<float>(d1, 0), Lanes.Load<float>(d1, 1));
                (even2, even3) = (Lanes.Load<float>(d2, 0), Lanes.Load<float>(d2, 1));
                (odd2, odd3) = (Lanes.Load<float>(d3, 0), Lanes.Load<float>(d3, 1));
            }
            float* rows = a;
            float* columns = b;
            for (int k = 0; k < Depth; k++, rows += RowVectors * 16, columns += MatrixDescriptor.CoreRows)
            {
                Vector512<float> even = Broadcast(columns);
                Vector512<float> odd = Broadcast(columns + LanesPerRow);
                Vector512<float> row0 = Vector512.Load(rows);
                Vector512<float> row1 = Vector512.Load(rows + 16);
                Vector512<float> row2 = Vector512.Load(rows + 32);
                Vector512<float> row3 = Vector512.Load(rows + 48);
                even0 = Vector512.FusedMultiplyAdd(row0, even, even0);
                even1 = Vector512.FusedMultiplyAdd(row1, even, even1);
                even2 = Vector512.FusedMultiplyAdd(row2, even, even2);
                even3 = Vector512.FusedMultiplyAdd(row3, even, even3);
                odd0 = Vector512.FusedMultiplyAdd(row0, odd, odd0);
                odd1 = Vector512.FusedMultiplyAdd(row1, odd, odd1);
                odd2 = Vector512.FusedMultiplyAdd(row2, odd, odd2);
                odd3 = Vector512.FusedMultiplyAdd(row3, odd, odd3);
            }
            Lanes.Store(d0, 0, even0, Lanes.All);
            Lanes.Store(d0, 1, even1, Lanes.All);
            Lanes.Store(d1, 0, odd0, Lanes.All);
            Lanes.Store(d1, 1, odd1, Lanes.All);
            Lanes.Store(d2, 0, even2, Lanes.All);
            Lanes.Store(d2, 1, even3, Lanes.All);
            Lanes.Store(d3, 0, odd2, Lanes.All);
            Lanes.Store(d3, 1, odd3, Lanes.All);
        }
    }

    /// <summary>Adds the products with <see cref="TruncatedSums"/>, sixteen at once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddTruncated(byte* registers, int[] d, bool accumulates, float* a, float* b)
    {
        float* row = stackalloc float[Depth];
        Vector512<double>* columns = stackalloc Vector512<double>[Depth];
        for (int first = 0; first < d.Length; first += 4, b += Depth * MatrixDescriptor.CoreRows)
        {
            for (int k = 0; k < Depth; k++)
                columns[k] = TruncatedSums.Widen(Vector256.Load(b + (k * MatrixDescriptor.CoreRows)));
            for (int index = 0; index < 16; index++)
            {
                for (int k = 0; k < Depth; k++)
                    row[k] = a[(((k * RowVectors) + (index >> 2)) * 16) + ((index & 3) * LanesPerRow)];
                int half = first + (index >> 3 << 1);
                float* even = (float*)(registers + d[half]) + ((index & 7) * LanesPerRow);
                float* odd = (float*)(registers + d[half + 1]) + ((index & 7) * LanesPerRow);
                Vector256<float> sum = accumulates ? Vector256.Create(Vector128.Load(even), Vector128.Load(odd))
                    : Vector256<float>.Zero;
                sum = TruncatedSums.Add(sum, row, columns, Depth, TruncatedSums.HopperGroup);
                sum.GetLower().Store(even);
                sum.GetUpper().Store(odd);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Broadcast(float* four)
    {
        Vector128<float> values = Vector128.Load(four);
        Vector256<float> twice = Vector256.Create(values, values);
        return Vector512.Create(twice, twice);
    }
}

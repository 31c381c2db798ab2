using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tiles;

/// <summary>A warp's part of a matrix product, in registers: m16n8 accumulators of <see cref="Mma"/> for
/// <c>rowTiles</c> × 16 rows and <c>columnPairs</c> × 16 columns, two for each 16 × 16 tile.</summary>
/// <remarks>
/// <para>If W is loaded with <see cref="SwizzledTile.ColumnFragment"/>, lane l = 4·g + t holds, of each 16 × 16
/// tile, rows g and g+8 and columns 4t to 4t+3. The first accumulator has columns 4t and 4t+1, the second one 4t+2
/// and 4t+3:</para>
/// <code>
///            4t      4t+1     4t+2    4t+3
/// row g      first.X first.Y  second.X second.Y
/// row g+8    first.Z first.W  second.Z second.W
/// </code>
/// <para>A lane therefore stores four neighbouring elements at once, and the four lanes of a row store 64 bytes of
/// float32 or 32 bytes of 16-bit elements: whole sectors of memory, without an exchange between lanes.</para>
/// </remarks>
internal static class MmaSums
{
    extension(Float4[] sums)
    {
        /// <summary>Sets all accumulators to 0.</summary>
        public void Clear(int rowTiles, int columnPairs)
        {
            for (int index = 0; index < 2 * rowTiles * columnPairs; index++)
                sums[index] = new Float4(0, 0, 0, 0);
        }

        /// <summary>Adds the product of one step of two tiles in shared memory. A is rounded, W is not.</summary>
        /// <param name="rowTiles">Tiles of 16 rows.</param>
        /// <param name="columnPairs">Pairs of tiles of 8 columns.</param>
        /// <param name="rows">The address of this lane's row of A, see
        /// <see cref="SwizzledTile.RowFragment"/>.</param>
        /// <param name="columns">The address of this lane's row of W, see
        /// <see cref="SwizzledTile.ColumnFragment"/>.</param>
        public void AddProduct<TElement>(int rowTiles, int columnPairs, uint rows, uint columns)
            where TElement : struct, IMmaElement
        {
            var right = new UInt4[columnPairs];
            for (int pair = 0; pair < columnPairs; pair++)
                right[pair] = LoadMatrix.X4(columns, pair * 16 * SwizzledTile.RowBytes);
            for (int tile = 0; tile < rowTiles; tile++)
            {
                UInt4 left = TElement.Round(LoadMatrix.X4(rows, tile * 16 * SwizzledTile.RowBytes));
                for (int pair = 0; pair < columnPairs; pair++)
                {
                    int sum = 2 * ((tile * columnPairs) + pair);
                    sums[sum] = TElement.AddProduct(sums[sum], left, right[pair].X, right[pair].Y);
                    sums[sum + 1] = TElement.AddProduct(sums[sum + 1], left, right[pair].Z, right[pair].W);
                }
            }
        }

        /// <summary>The four neighbouring elements of row g that this lane has of a 16 × 16 tile.</summary>
        public Float4 Upper(int columnPairs, int tile, int pair)
        {
            Float4 first = sums[2 * ((tile * columnPairs) + pair)];
            Float4 second = sums[(2 * ((tile * columnPairs) + pair)) + 1];
            return new Float4(first.X, first.Y, second.X, second.Y);
        }

        /// <summary>The four neighbouring elements of row g+8.</summary>
        public Float4 Lower(int columnPairs, int tile, int pair)
        {
            Float4 first = sums[2 * ((tile * columnPairs) + pair)];
            Float4 second = sums[(2 * ((tile * columnPairs) + pair)) + 1];
            return new Float4(first.Z, first.W, second.Z, second.W);
        }
    }
}

using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tiles;

/// <summary>A warp's share of a product, in registers: m16n8 accumulators of <see cref="Mma"/> for
/// <c>rowTiles</c> × 16 rows and <c>columnPairs</c> × 16 columns, two for each 16 × 16.</summary>
/// <remarks>
/// <para>With <see cref="SwizzledTile.ColumnFragment"/> lane l = 4·g + t holds of each 16 × 16 the rows g and g+8,
/// columns 4t to 4t+3; the first accumulator has the columns 4t and 4t+1, the second 4t+2 and 4t+3:</para>
/// <code>
///            4t      4t+1     4t+2    4t+3
/// row g      first.X first.Y  second.X second.Y
/// row g+8    first.Z first.W  second.Z second.W
/// </code>
/// <para>So a lane stores four neighbours at once, and the four lanes of a row 64 bytes of float32 or 32 of 16-bit
/// elements: whole sectors of memory, with nothing passed between lanes.</para>
/// </remarks>
internal static class MmaSums
{
    extension(Float4[] sums)
    {
        /// <summary>Sets all sums to zero.</summary>
        public void Clear(int rowTiles, int columnPairs)
        {
            for (int index = 0; index < 2 * rowTiles * columnPairs; index++)
                sums[index] = new Float4(0, 0, 0, 0);
        }

        /// <summary>Adds the product of one step of two tiles of shared memory.</summary>
        /// <param name="rowTiles">Tiles of 16 rows.</param>
        /// <param name="columnPairs">Pairs of tiles of 8 columns.</param>
        /// <param name="rows">The address that <see cref="SwizzledTile.RowFragment"/> says.</param>
        /// <param name="columns">The address that <see cref="SwizzledTile.ColumnFragment"/> says.</param>
        public void AddProduct<TElement>(int rowTiles, int columnPairs, uint rows, uint columns)
            where TElement : struct, IMmaElement
        {
            var right = new UInt4[columnPairs];
            for (int pair = 0; pair < columnPairs; pair++)
                right[pair] = TElement.Round(LoadMatrix.X4(columns, pair * 16 * SwizzledTile.RowBytes));
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

        /// <summary>The four neighbours of row g that this lane has of a 16 × 16.</summary>
        public Float4 Upper(int columnPairs, int tile, int pair)
        {
            Float4 first = sums[2 * ((tile * columnPairs) + pair)];
            Float4 second = sums[(2 * ((tile * columnPairs) + pair)) + 1];
            return new Float4(first.X, first.Y, second.X, second.Y);
        }

        /// <summary>The four neighbours of row g+8.</summary>
        public Float4 Lower(int columnPairs, int tile, int pair)
        {
            Float4 first = sums[2 * ((tile * columnPairs) + pair)];
            Float4 second = sums[(2 * ((tile * columnPairs) + pair)) + 1];
            return new Float4(first.Z, first.W, second.Z, second.W);
        }
    }
}

namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.14.5.15: ldmatrix of one, two and four matrices, plain and transposed.</summary>
internal sealed class LdmatrixTests
{
    private const int TileSize = 8;

    [Test]
    public void Ldmatrix_distributes_the_elements_to_the_lanes(
        [Values(1, 2, 4)] int matrixCount, [Values] bool isTransposed)
    {
        // Rows are 48 bytes apart and in reverse order, so that the address of each lane matters.
        const int RowStride = 48;
        int rowCount = TileSize * matrixCount;
        string shape = $"x{matrixCount}{(isTransposed ? ".trans" : "")}";
        string registers = string.Join(", ", Enumerable.Range(0, matrixCount).Select(index => $"%r{index}"));
        string stores = string.Concat(
            Enumerable.Range(0, matrixCount).Select(index => $"st.global.b32 [%out+{4 * index}], %r{index};\n"));
        using KernelRun run = new($$"""
            .visible .entry load(.param .u64 source, .param .u64 results)
            {
                .shared .align 16 .b8 tile[{{rowCount * RowStride}}];
                .reg .pred %p;
                .reg .b32 %i, %row, %at, %r<4>, %w<4>;
                .reg .b64 %in, %out, %offset;
                mov.u32 %i, %tid.x;
                and.b32 %row, %i, {{rowCount - 1}};
                mov.u32 %at, {{rowCount - 1}};
                sub.u32 %at, %at, %row;
                mul.lo.u32 %at, %at, {{RowStride}};
                mov.u32 %w0, tile;
                add.u32 %at, %at, %w0;
                ld.param.u64 %in, [source];
                mul.wide.u32 %offset, %row, 16;
                add.u64 %in, %in, %offset;
                setp.lt.u32 %p, %i, {{rowCount}};
                @%p ld.global.v4.b32 {%w0, %w1, %w2, %w3}, [%in];
                @%p st.shared.v4.b32 [%at], {%w0, %w1, %w2, %w3};
                bar.sync 0;
                ldmatrix.sync.aligned.m8n8.{{shape}}.shared.b16 {{{registers}}}, [%at];
                ld.param.u64 %out, [results];
                mul.wide.u32 %offset, %i, {{4 * matrixCount}};
                add.u64 %out, %out, %offset;
                {{stores}}
                ret;
            }
            """);
        ushort[] source = [.. Enumerable.Range(0, rowCount * TileSize).Select(index => (ushort)(index * 331))];
        ulong results = run.Buffer(new ushort[32 * matrixCount * 2]);

        run.Launch(1, 32, run.Buffer(source), results);

        ushort[] actual = run.Read<ushort>(results, 32 * matrixCount * 2);
        for (int matrix = 0; matrix < matrixCount; matrix++)
        {
            for (int row = 0; row < TileSize; row++)
            {
                for (int column = 0; column < TileSize; column++)
                {
                    (int lane, int element) = isTransposed
                        ? Fragment.Matrix[column, row]
                        : Fragment.Matrix[row, column];
                    Assert.That(actual[(((lane * matrixCount) + matrix) * 2) + element],
                        Is.EqualTo(source[(((matrix * TileSize) + row) * TileSize) + column]),
                        $"matrix {matrix}, row {row}, column {column}");
                }
            }
        }
    }
}

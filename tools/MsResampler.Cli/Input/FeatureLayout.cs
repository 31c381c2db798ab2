using System.Globalization;

namespace MsResampler.Cli.Input;

/// <summary>What the user says of the images in a feature file; from it and the array's shape follows what the axes
/// are.</summary>
/// <param name="Grid">The grid of every image, or null where the shape says it.</param>
/// <param name="DropClassToken">Whether a class token precedes the patches of every image.</param>
internal sealed record FeatureLayout(PatchGrid? Grid, bool DropClassToken)
{
    // 14x14 patches, of 224 pixels in patches of 16, are the fewest that encoders in use give.
    private const int MinEncoderSide = 14;

    // What encoders put before the patches: nothing, a class token, or a class token and four registers.
    private static readonly int[] s_extraTokenCounts = [0, 1, 5];

    /// <summary>Nothing: shapes speak for themselves.</summary>
    public static FeatureLayout Unknown { get; } = new(null, false);

    /// <summary>Reads a shape.</summary>
    /// <param name="what">The file and tensor, for errors.</param>
    /// <param name="shape">The shape found.</param>
    /// <param name="allowBatch">Whether there may be more than one image.</param>
    /// <exception cref="InputException">The shape is not one of images, or may be read in two ways.</exception>
    public FeatureShape Read(string what, IReadOnlyList<long> shape, bool allowBatch)
    {
        if (shape.Any(extent => extent < 1))
            throw new InputException($"{what}: expected a shape without empty dimensions, found {Describe(shape)}");
        FeatureShape read = Grid is { } grid ? ReadAs(grid, what, shape) : ReadAlone(what, shape, allowBatch);
        if (!allowBatch && read.ImageCount != 1)
            throw new InputException($"{what}: expected one image, found {read.ImageCount} in {Describe(shape)}");
        return read;
    }

    private static FeatureShape ReadAlone(string what, IReadOnlyList<long> shape, bool allowBatch)
    {
        if (shape.Count is not (3 or 4))
        {
            throw new InputException($"{what}: expected the shape [H,W,C]{(allowBatch ? " or [B,H,W,C]" : "")}, found " +
                $"{Describe(shape)}" + (shape.Count == 2 ? $"; for patches one after another, " +
                $"{Reading(shape[0])}" : ""));
        }

        CheckSize(what, shape, shape.TakeLast(3));
        if (shape.Count == 3)
            RefuseBatchOfRows(what, shape);
        return new FeatureShape(shape.Count == 4 ? (int)shape[0] : 1, new PatchGrid((int)shape[^3], (int)shape[^2]),
            (int)shape[^1], 0);
    }

    /// <summary>Refuses [B, N, C], which is how encoders give features, where [H, W, C] is expected.</summary>
    private static void RefuseBatchOfRows(string what, IReadOnlyList<long> shape)
    {
        (long first, long second) = (shape[0], shape[1]);
        int side = FindSquare(second).Side;
        // One row and one column, in whatever order they are read, are one patch.
        if (side == 0 && (first > 1 || second == 1))
            return;
        throw new InputException($"{what}: {Describe(shape)} may be one image of {first}x{second} patches (--grid " +
            $"{first}x{second}), or {first} {(first == 1 ? "image" : "images")} of {second} rows each: {Reading(second)}");
    }

    /// <summary>What so many rows of an image may be, and what to type then.</summary>
    private static string Reading(long rowCount)
    {
        (int side, int extra) = FindSquare(rowCount);
        if (side > 0)
        {
            return extra switch
            {
                0 => $"{side}x{side} patches (--grid {side}x{side})",
                1 => $"a class token and {side}x{side} patches (--grid {side}x{side} --drop-class-token)",
                _ => $"{extra} class and register tokens and {side}x{side} patches (save x[:, {extra}:], then --grid " +
                    $"{side}x{side})",
            };
        }

        long rows = (long)Math.Sqrt(rowCount);
        while (rowCount % rows != 0)
            rows--;
        return $"{rowCount} patches (--grid HxW{(rows == 1 ? "" : $", such as {rows}x{rowCount / rows}")})";
    }

    private FeatureShape ReadAs(PatchGrid grid, string what, IReadOnlyList<long> shape)
    {
        int skippedCount = DropClassToken ? 1 : 0;
        long rowCount = grid.PatchCount + skippedCount;
        bool isGrid = shape.Count is 3 or 4 && shape[^3] == grid.Rows && shape[^2] == grid.Columns && !DropClassToken;
        bool isRows = shape.Count is 2 or 3 && shape[^2] == rowCount;
        if (!isGrid && !isRows)
        {
            string option = $"--grid {grid}{(DropClassToken ? " --drop-class-token" : "")}";
            string rows = rowCount.ToString(CultureInfo.InvariantCulture);
            throw new InputException($"{what}: with {option} expected the shape [{rows},C] or [B,{rows},C]" +
                (DropClassToken ? "" : $", [{grid.Rows},{grid.Columns},C] or [B,{grid.Rows},{grid.Columns},C]") +
                $", found {Describe(shape)}{HintAt(grid, shape)}");
        }

        CheckSize(what, shape, shape.TakeLast(isGrid ? 3 : 2));
        bool isBatch = shape.Count == (isGrid ? 4 : 3);
        return new FeatureShape(isBatch ? (int)shape[0] : 1, grid, (int)shape[^1], isGrid ? 0 : skippedCount);
    }

    private string HintAt(PatchGrid grid, IReadOnlyList<long> shape)
    {
        if (shape.Count is 3 or 4 && shape[^2] == grid.Rows && shape[^1] == grid.Columns)
            return $": channels come last; save x.transpose({(shape.Count == 4 ? "0, 2, 3, 1" : "1, 2, 0")})";
        if (shape.Count is not (2 or 3))
            return "";
        return (shape[^2] - grid.PatchCount) switch
        {
            0 when DropClassToken => ": there is no class token to drop",
            1 => ": if the first row is a class token, add --drop-class-token",
            > 1 and <= 16 and var extra => $": {extra} rows more than patches, such as a class token and registers; " +
                "save the patches alone",
            _ => "",
        };
    }

    private static void CheckSize(string what, IReadOnlyList<long> shape, IEnumerable<long> image)
    {
        if (image.Aggregate(UInt128.One, (product, extent) => product * (UInt128)extent) > FeatureFile.MaxFeatureCount
            || shape[0] > int.MaxValue)
            throw new InputException($"{what}: {Describe(shape)} is too large: an image may have " +
                $"{FeatureFile.MaxFeatureCount} features");
    }

    /// <summary>The side of the square grid whose patches, and what may precede them, are so many rows; 0 where there is
    /// none.</summary>
    private static (int Side, int ExtraTokenCount) FindSquare(long rowCount)
    {
        foreach (int extra in s_extraTokenCounts)
        {
            long side = (long)Math.Sqrt(Math.Max(rowCount - extra, 0));
            if (side >= MinEncoderSide && side * side == rowCount - extra)
                return ((int)side, extra);
        }

        return (0, 0);
    }

    private static string Describe(IReadOnlyList<long> shape) => $"[{string.Join(',', shape)}]";
}

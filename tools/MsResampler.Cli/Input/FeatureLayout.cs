using System.Globalization;

namespace MsResampler.Cli.Input;

/// <summary>The user's description of the images in a feature file. Together with the shape of the array it determines
/// the meaning of the axes.</summary>
/// <param name="Grid">The grid of every image, or null if the shape contains it.</param>
/// <param name="DropClassToken">Whether a class token precedes the patches of every image.</param>
internal sealed record FeatureLayout(PatchGrid? Grid, bool DropClassToken)
{
    // The smallest grid of common encoders: 14x14 patches, from 224 pixels in patches of 16.
    private const int MinEncoderSide = 14;

    // Encoders put these numbers of tokens before the patches: none, a class token, or a class token and 4 registers.
    private static readonly int[] s_extraTokenCounts = [0, 1, 5];

    /// <summary>No description: the shape contains the grid.</summary>
    public static FeatureLayout Unknown { get; } = new(null, false);

    /// <summary>Interprets the shape of an array.</summary>
    /// <param name="what">The file and tensor, for error messages.</param>
    /// <param name="shape">The shape.</param>
    /// <param name="allowBatch">Whether the array may contain more than one image.</param>
    /// <exception cref="InputException">The shape is invalid or ambiguous.</exception>
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
            throw new InputException($"{what}: expected the shape [H,W,C]{(allowBatch ? " or [B,H,W,C]" : "")}, " +
                $"found {Describe(shape)}" +
                (shape.Count == 2 ? $"; if the rows are patches: {Reading(shape[0])}" : ""));
        }

        CheckSize(what, shape, shape.TakeLast(3));
        if (shape.Count == 3)
            RefuseBatchOfRows(what, shape);
        return new FeatureShape(shape.Count == 4 ? (int)shape[0] : 1, new PatchGrid((int)shape[^3], (int)shape[^2]),
            (int)shape[^1], 0);
    }

    /// <summary>Throws if a shape [H, W, C] can also be read as [B, N, C], the usual output of encoders.</summary>
    private static void RefuseBatchOfRows(string what, IReadOnlyList<long> shape)
    {
        (long first, long second) = (shape[0], shape[1]);
        int side = FindSquare(second).Side;
        // [1, 1, C] is one patch in both readings.
        if (side == 0 && (first > 1 || second == 1))
            return;
        throw new InputException($"{what}: the shape {Describe(shape)} is ambiguous: one image of {first}x{second} " +
            $"patches (--grid {first}x{second}), or {first} {(first == 1 ? "image" : "images")} with {second} rows " +
            $"each: {Reading(second)}");
    }

    /// <summary>Describes a possible meaning of the rows of an image, with the options for it.</summary>
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
            return $": channels must come last; save x.transpose({(shape.Count == 4 ? "0, 2, 3, 1" : "1, 2, 0")})";
        if (shape.Count is not (2 or 3))
            return "";
        return (shape[^2] - grid.PatchCount) switch
        {
            0 when DropClassToken => ": there is no class token to drop",
            1 => ": if the first row is a class token, add --drop-class-token",
            > 1 and <= 16 and var extra => $": {extra} more rows than patches, perhaps a class token and registers; " +
                "save the patches alone",
            _ => "",
        };
    }

    private static void CheckSize(string what, IReadOnlyList<long> shape, IEnumerable<long> image)
    {
        if (image.Aggregate(UInt128.One, (product, extent) => product * (UInt128)extent) > FeatureFile.MaxFeatureCount
            || shape[0] > int.MaxValue)
            throw new InputException($"{what}: the shape {Describe(shape)} is too large: an image can have at most " +
                $"{FeatureFile.MaxFeatureCount} features");
    }

    /// <summary>Finds a square grid, with tokens before its patches, that has this number of rows. The side is 0 if
    /// there is none.</summary>
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

using MsResampler.Cli.Maps;
using SkiaSharp;

namespace MsResampler.Tests.Cli;

/// <summary>The output of <c>run</c> compared with that of the library, value by value.</summary>
internal sealed class RunNumbersTests : CliFixture
{
    private const int Gap = 12;

    /// <summary>More images than fit in memory at once, three groups in all: each image of the second and third group
    /// has its own tokens at its own position.</summary>
    [Test]
    public void Every_image_of_a_long_batch_has_the_same_tokens_as_alone([Values] bool isRagged)
    {
        const int ImageCount = 150;
        PatchGrid[] grids = [.. Enumerable.Range(0, ImageCount)
            .Select(index => isRagged ? new PatchGrid(2 + (index % 6), 1 + (index % 4)) : new PatchGrid(3, 4))];
        float[][] features = [.. grids.Select((grid, index) => Values((int)grid.PatchCount * ChannelCount, index))];
        string input = isRagged
            ? WriteFeatures("long.safetensors", [.. grids.Select((grid, index) =>
                ($"features.{index}", new long[] { 1, grid.Rows, grid.Columns, ChannelCount }, features[index]))])
            : WriteFeatures("long.safetensors",
                ("features", [ImageCount, 3, 4, ChannelCount], [.. features.SelectMany(values => values)]));
        foreach (string threads in new[] { "1", "2" })
        {
            CliRun.Of("run", "--model", Model, "--features", input, "--out", In("long.tokens.safetensors"), "--threads",
                threads).Succeeds();
            float[] tokens = ReadTokens(In("long.tokens.safetensors"), out long[] shape);
            Assert.That(shape, Is.EqualTo(new long[] { ImageCount, QueryCount, TokenSize }));

            using Resampler resampler = Resampler.Load(Model);
            float[] alone = new float[QueryCount * TokenSize];
            for (int image = 0; image < ImageCount; image++)
            {
                resampler.Resample(features[image], [grids[image]], alone);
                Assert.That(tokens[(image * alone.Length)..((image + 1) * alone.Length)], Is.EqualTo(alone),
                    $"image {image}, {threads} threads");
            }
        }
    }

    /// <summary>Every cell of every panel has the colour of its value.</summary>
    [Test]
    public void Maps_show_the_values_of_an_explanation([Values(0, 66)] int image)
    {
        // The first image of one group and the third of the next.
        PatchGrid[] grids = [.. Enumerable.Range(0, 67).Select(index => new PatchGrid(3 + (index % 2), 5))];
        float[][] features = [.. grids.Select((grid, index) =>
            Values((int)grid.PatchCount * ChannelCount, 100 + index))];
        int first = image == 0 ? 66 : 0;
        string input = WriteFeatures("maps.safetensors", [.. grids[first..].Select((grid, index) =>
            ($"features.{index}", new long[] { 1, grid.Rows, grid.Columns, ChannelCount }, features[first + index]))]);
        CliRun.Of("run", "--model", Model, "--features", input, "--out", In("maps.npy"), "--maps", In($"maps-{image}"))
            .Succeeds();
        PatchGrid grid = grids[66];
        using Resampler resampler = Resampler.Load(Model);
        Explanation explanation = resampler.Explain(features[66], grid);
        QueryGrid queries = resampler.Config.QueryGrid;
        string prefix = Directory.GetFiles(In($"maps-{image}"), "*-gate.png").Select(path => Path.GetFileName(path))
            .Single(name => image == 0 || name.StartsWith("066-", StringComparison.Ordinal))[..^"-gate.png".Length];
        int panelY = MapSheet.Margin + MapSheet.TitleHeight + MapSheet.LabelHeight;
        int width = MapWriter.PanelSide;
        int height = (int)(width / ((double)grid.Columns / grid.Rows));
        for (int scope = 0; scope < explanation.ScopeCount; scope++)
        {
            double[] attention = new double[queries.QueryCount * grid.PatchCount];
            for (int head = 0; head < explanation.HeadCount; head++)
                for (int index = 0; index < attention.Length; index++)
                    attention[index] += explanation.Attention(scope, head)[index] / (double)explanation.HeadCount;
            double[] mean = [.. Enumerable.Range(0, (int)grid.PatchCount).Select(patch => grid.PatchCount
                * Enumerable.Range(0, queries.QueryCount)
                    .Average(query => attention[(query * grid.PatchCount) + patch]))];
            double top = Math.Max(mean.Max(), 2);
            using SKBitmap look = SKBitmap.Decode(Path.Combine(In($"maps-{image}"),
                $"{prefix}-look-{scope}-{resampler.Config.Scopes[scope].Name}.png"));
            AssertPanel(look, SKRectI.Create(MapSheet.Margin, panelY, width, height), grid, mean, top);

            // Two query rows and three columns are shown one by one, each relative to its own maximum.
            (int small, int smallHeight) = ((width - (2 * Gap)) / 3, (height - (2 * Gap)) / 3);
            for (int query = 0; query < queries.QueryCount; query++)
            {
                double[] own = attention[(query * (int)grid.PatchCount)..((query + 1) * (int)grid.PatchCount)];
                AssertPanel(look, SKRectI.Create(
                    MapSheet.Margin + width + (2 * Gap) + (query % queries.Columns * (small + Gap)),
                    panelY + (query / queries.Columns * (smallHeight + Gap)), small, smallHeight), grid, own, own.Max(),
                    ScopeGeometry.Anchor(query / queries.Columns, queries.Rows, grid.Rows),
                    ScopeGeometry.Anchor(query % queries.Columns, queries.Columns, grid.Columns));
            }
        }

        double[][] gate = [.. Enumerable.Range(0, explanation.ScopeCount).Select(scope =>
            Enumerable.Range(0, queries.QueryCount).Select(query => Enumerable.Range(0, explanation.GateGroupCount)
                .Average(group => (double)explanation.Gate[
                    (((query * explanation.ScopeCount) + scope) * explanation.GateGroupCount) + group])).ToArray())];
        using SKBitmap sheet = SKBitmap.Decode(Path.Combine(In($"maps-{image}"), $"{prefix}-gate.png"));
        PatchGrid tokens = new(queries.Rows, queries.Columns);
        double highest = gate.Max(weights => weights.Max());
        for (int scope = 0; scope < gate.Length; scope++)
            AssertPanel(sheet, SKRectI.Create(MapSheet.Margin + width + (2 * Gap) + (scope * ((width * 2 / 3) + Gap)),
                panelY, width * 2 / 3, height * 2 / 3), tokens, gate[scope], highest);
        for (int query = 0; query < queries.QueryCount; query++)
        {
            int winner = Enumerable.Range(0, gate.Length).MaxBy(scope => gate[scope][query]);
            AssertColor(sheet, SKRectI.Create(MapSheet.Margin, panelY, width, height), tokens, query,
                Palette.Scope(winner).WithAlpha(190));
        }
    }

    private static void AssertPanel(SKBitmap map, SKRectI area, PatchGrid grid, double[] values, double top,
        double crossRow = double.NaN, double crossColumn = double.NaN)
    {
        for (int cell = 0; cell < values.Length; cell++)
        {
            double heat = values[cell] / top;
            AssertColor(map, area, grid, cell,
                Palette.Heat(heat).WithAlpha((byte)(heat <= 0 ? 0 : 90 + (120 * heat))), crossRow, crossColumn);
        }
    }

    /// <summary>Samples the cell where the cross does not cover it: the arms of the cross are 7 pixels long and 4
    /// wide.</summary>
    private static void AssertColor(SKBitmap map, SKRectI area, PatchGrid grid, int cell, SKColor color,
        double crossRow = double.NaN, double crossColumn = double.NaN)
    {
        (int row, int column) = Math.DivRem(cell, grid.Columns);
        double share = color.Alpha / 255.0;
        int seen = 0;
        foreach ((double y, double x) in new[] { (0.15, 0.15), (0.15, 0.85), (0.85, 0.15), (0.85, 0.85), (0.5, 0.5) })
        {
            double down = (row + y - crossRow - 0.5) * area.Height / grid.Rows;
            double right = (column + x - crossColumn - 0.5) * area.Width / grid.Columns;
            if (Math.Max(Math.Abs(down), Math.Abs(right)) < 9 && Math.Min(Math.Abs(down), Math.Abs(right)) < 4)
                continue;
            SKColor found = map.GetPixel(area.Left + (int)((column + x) * area.Width / grid.Columns),
                area.Top + (int)((row + y) * area.Height / grid.Rows));
            double worst = Math.Max(Difference(color.Red, Palette.Empty.Red, found.Red), Math.Max(
                Difference(color.Green, Palette.Empty.Green, found.Green),
                Difference(color.Blue, Palette.Empty.Blue, found.Blue)));
            // Blending in 8 bits rounds colour and opacity: two steps, plus one for the last bit of a float.
            Assert.That(worst, Is.LessThanOrEqualTo(3), $"{area}, row {row}, column {column}: {color} over " +
                $"{Palette.Empty}, found {found}");
            seen++;
        }

        Assert.That(seen, Is.GreaterThan(1));

        double Difference(byte over, byte under, byte seen) => Math.Abs((over * share) + (under * (1 - share)) - seen);
    }
}

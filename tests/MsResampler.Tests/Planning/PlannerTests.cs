using MsResampler.Planning;

namespace MsResampler.Tests.Planning;

public class PlannerTests
{
    // A processor with 512-bit vectors, stated here so that tuning a backend does not change the expected plans.
    private static readonly CostModel s_costs = new([16, 32, 64], [0.8, 0.95, 1])
    {
        RowEfficiency = 0.17,
        AbsorbedValueEfficiency = 0.85,
        AbsorbedValueHeads = 8,
        LogitCost = 40,
        ReadCost = 0,
    };

    private static ExecutionPlan Plan(ResamplerConfig config, PatchGrid grid, CostModel? costs = null)
        => new Planner(config, hasKeyValueInput: true, costs ?? s_costs).Plan(grid);

    private static ResamplerConfig Large(params ScopeConfig[] scopes) => Configs.Of(scopes) with
    {
        VisionHiddenSize = 1024,
        HiddenSize = 1024,
        AttentionHeadCount = 16,
        QueryGrid = new QueryGrid(12, 12),
        OutputSize = 4096,
        Gate = new GateConfig(256, GateGranularity.Token),
    };

    private static (ProjectionStrategy Keys, ProjectionStrategy Values)[] Strategies(ExecutionPlan plan)
        => [.. plan.Scopes.Select(scope => (scope.Keys, scope.Values))];

    private static IEnumerable<(ResamplerConfig Config, PatchGrid Grid)> RandomCases(int count)
    {
        Random random = new(1);
        for (int index = 0; index < count; index++)
        {
            int heads = random.Next(1, 20);
            ScopeConfig[] scopes = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(3) switch
            {
                0 => Configs.None,
                1 => Configs.Gaussian(2, 2),
                _ => Configs.Window(random.Next(1, 12), random.Next(1, 12),
                    random.Next(2) == 0 ? WindowBorder.Clip : WindowBorder.Shift),
            })];
            yield return (Configs.Of(scopes) with
            {
                HiddenSize = heads * random.Next(1, 40),
                AttentionHeadCount = heads,
                QueryGrid = new QueryGrid(random.Next(1, 14), random.Next(1, 14)),
                ShareKeyValues = random.Next(2) == 0,
            }, new PatchGrid(random.Next(1, 30), random.Next(1, 30)));
        }
    }

    [Test]
    public void Tiles_partition_the_queries_and_span_their_windows()
    {
        int tileCount = 0;
        foreach ((ResamplerConfig config, PatchGrid grid) in RandomCases(200))
        {
            foreach (ScopePlan scope in Plan(config, grid).Scopes.Where(scope => scope.Tiles.Count > 0))
            {
                List<int> queries = [];
                foreach (QueryTile tile in scope.Tiles)
                {
                    AssertTile(tile, scope.Windows, config.QueryGrid);
                    queries.AddRange(Enumerable.Range(0, tile.QueryCount)
                        .Select(lane => tile.QueryIndex(lane, config.QueryGrid.Columns)));
                    tileCount++;
                }

                Assert.That(queries.Order(), Is.EqualTo(Enumerable.Range(0, config.QueryGrid.QueryCount)));
            }
        }

        Assert.That(tileCount, Is.GreaterThan(200));
    }

    private static void AssertTile(QueryTile tile, ScopeWindows windows, QueryGrid queries)
    {
        HashSet<(int, int)> seen = [];
        bool isFull = true;
        for (int lane = 0; lane < tile.QueryCount; lane++)
        {
            (int qi, int qj) = Math.DivRem(tile.QueryIndex(lane, queries.Columns), queries.Columns);
            AxisRange rows = windows.Rows[qi];
            AxisRange columns = windows.Columns[qj];
            seen.UnionWith(from i in Enumerable.Range(rows.Start, rows.Count)
                           from j in Enumerable.Range(columns.Start, columns.Count)
                           select (i, j));
            isFull &= rows == tile.KeyRows && columns == tile.KeyColumns;
        }

        Assert.That((tile.KeyRows.Start, tile.KeyRows.End - 1, tile.KeyColumns.Start, tile.KeyColumns.End - 1),
            Is.EqualTo((seen.Min(key => key.Item1), seen.Max(key => key.Item1),
                seen.Min(key => key.Item2), seen.Max(key => key.Item2))));
        Assert.That(tile.IsFull, Is.EqualTo(isFull));
        Assert.That(tile.KeyCount, Is.EqualTo(tile.KeyRows.Count * tile.KeyColumns.Count));
        Assert.That(s_costs.LaneWidths, Has.Member(tile.LaneCount));
        Assert.That(tile.QueryCount, Is.LessThanOrEqualTo(tile.LaneCount));
    }

    [Test]
    public void Values_are_absorbed_only_with_keys_and_without_tiles()
    {
        foreach ((ResamplerConfig config, PatchGrid grid) in RandomCases(200))
        {
            foreach (ScopePlan scope in Plan(config, grid).Scopes)
            {
                if (scope.Values == ProjectionStrategy.Absorbed)
                    Assert.That(scope.Keys, Is.EqualTo(ProjectionStrategy.Absorbed));
                Assert.That(scope.Tiles, scope.Keys == ProjectionStrategy.Absorbed ? Is.Empty : Is.Not.Empty);
            }
        }
    }

    [Test]
    public void Scopes_that_share_keys_share_their_strategy()
    {
        foreach ((ResamplerConfig config, PatchGrid grid) in RandomCases(200))
            if (config.ShareKeyValues)
                Assert.That(Strategies(Plan(config, grid)).Distinct().Count(), Is.EqualTo(1));
    }

    [Test]
    public void Narrow_scopes_absorb_and_global_scopes_project()
    {
        ExecutionPlan plan = Plan(Large(Configs.Window(4, 4), Configs.None), new PatchGrid(24, 24));

        Assert.That(Strategies(plan), Is.EqualTo(new[]
        {
            (ProjectionStrategy.Absorbed, ProjectionStrategy.Absorbed),
            (ProjectionStrategy.Projected, ProjectionStrategy.Projected),
        }));
        Assert.That(plan.Scopes[1].Tiles, Has.All.Property(nameof(QueryTile.IsFull)).True);
    }

    [Test]
    public void A_global_scope_with_shared_keys_makes_narrow_scopes_project()
    {
        ExecutionPlan plan = Plan(Large(Configs.Window(4, 4), Configs.None) with { ShareKeyValues = true },
            new PatchGrid(24, 24));

        Assert.That(Strategies(plan), Is.All.EqualTo((ProjectionStrategy.Projected, ProjectionStrategy.Projected)));
    }

    [Test]
    public void With_more_queries_than_patches_only_keys_are_absorbed()
    {
        // Every query sees one patch, so keys are cheap to absorb, but each of the 16 patches serves several queries.
        ResamplerConfig config = Large(Configs.Window(1, 1), Configs.Window(1, 1)) with
        {
            QueryGrid = new QueryGrid(6, 4),
        };
        ExecutionPlan plan = Plan(config, new PatchGrid(4, 4));

        Assert.That(Strategies(plan), Is.All.EqualTo((ProjectionStrategy.Absorbed, ProjectionStrategy.Projected)));
    }

    [Test]
    public void Plans_use_the_cheapest_alternative()
    {
        foreach ((ResamplerConfig config, PatchGrid grid) in RandomCases(200))
        {
            Planner planner = new(config, hasKeyValueInput: true, s_costs);
            ExecutionPlan plan = planner.Plan(grid);
            foreach (StrategyChoice choice in planner.Choices(grid))
            {
                double lowest = choice.Alternatives.Min(alternative => alternative.Cost);
                foreach (int scope in choice.Scopes)
                    Assert.That(choice.Alternatives, Has.Member((new ScopeStrategy(plan.Scopes[scope].Keys,
                        plan.Scopes[scope].Values), lowest)));
            }
        }
    }

    [Test]
    public void A_plan_depends_only_on_the_grid()
    {
        Planner planner = new(Large(Configs.Window(4, 4), Configs.None), hasKeyValueInput: true, s_costs);
        PatchGrid grid = new(24, 24);
        ExecutionPlan first = planner.Plan(grid);

        planner.Plan(new PatchGrid(3, 50));
        ExecutionPlan again = planner.Plan(grid);

        Assert.That(Strategies(again), Is.EqualTo(Strategies(first)));
        Assert.That(again.Stages, Is.EqualTo(first.Stages));
        for (int scope = 0; scope < first.Scopes.Count; scope++)
            Assert.That(again.Scopes[scope].Tiles, Is.EqualTo(first.Scopes[scope].Tiles));
    }

    [Test]
    public void Operations_of_a_336_pixel_image_equal_a_manual_count()
    {
        ExecutionPlan plan = Plan(Large(Configs.Window(4, 4), Configs.Window(12, 12), Configs.None),
            new PatchGrid(24, 24));

        // N = 576, M = 144, D = C = 1024, A = 16, S = 3, G = 256, L = 4096.
        const double PatchProjection = 2.0 * 576 * 1024 * 1024;
        const double QueryProjection = 2.0 * 144 * 1024 * 1024;
        // The anchors of the query rows are 0.5, 2.5, …, 22.5. Windows of 4 contain 4 rows, the first and the last
        // one 3: 46 in total. Windows of 12 contain 7, 9, 11, six times 12, 11, 9 and 7 rows: 126.
        const double LocalPairs = 46 * 46;
        const double RegionPairs = 126 * 126;
        double absorbed = ((LocalPairs + RegionPairs) * 4 * 16 * 1024) + (2 * QueryProjection);
        const double Dense = 4.0 * 144 * 576 * 1024;
        const double Gate = (2.0 * 144 * 3072 * 256) + (2.0 * 144 * 256 * 3);

        Assert.That(Strategies(plan), Is.EqualTo(new[]
        {
            (ProjectionStrategy.Absorbed, ProjectionStrategy.Absorbed),
            (ProjectionStrategy.Absorbed, ProjectionStrategy.Absorbed),
            (ProjectionStrategy.Projected, ProjectionStrategy.Projected),
        }));
        Assert.That(plan.Scopes.Select(scope => scope.Windows.PairCount),
            Is.EqualTo(new[] { LocalPairs, RegionPairs, 144 * 576 }));
        // 12×12 queries fill tiles of 8×8, 8×4, 4×8 and 4×4 without unused lanes.
        Assert.That(plan.Scopes[2].Tiles.Sum(tile => tile.LaneCount), Is.EqualTo(144));
        Assert.That(plan.Stages, Is.EqualTo(new StageCost[]
        {
            new("kv_proj", PatchProjection, PatchProjection),
            new("q_proj", 0, 3 * QueryProjection),
            new("k_proj", PatchProjection, 3 * PatchProjection),
            new("v_proj", PatchProjection, 3 * PatchProjection),
            new("attention", absorbed + Dense, 3 * Dense),
            new("out_proj", 3 * QueryProjection, 3 * QueryProjection),
            new("gate", Gate, Gate),
            new("proj", 4 * QueryProjection, 4 * QueryProjection),
        }));
        Assert.That(plan.Flops, Is.EqualTo(plan.Stages.Sum(stage => stage.Flops)));
        Assert.That(plan.NaiveFlops, Is.EqualTo(plan.Stages.Sum(stage => stage.NaiveFlops)));
    }

    /// <summary>A shared projection is computed once for all scopes that read it.</summary>
    [Test]
    public void Scopes_with_shared_keys_and_values_pay_for_one_projection()
    {
        PatchGrid grid = new(24, 24);
        const double Projection = 2.0 * 576 * 1024 * 1024;
        ScopeConfig scope = Configs.Window(4, 4);
        StrategyChoice one = Choices(Large(scope)).Single();
        StrategyChoice three = Choices(Large(scope, scope, scope) with { ShareKeyValues = true }).Single();

        Assert.That(three.Scopes, Is.EqualTo(new[] { 0, 1, 2 }));
        foreach (ScopeStrategy strategy in ScopeStrategy.All)
        {
            double projections = Projection * ((strategy.Keys == ProjectionStrategy.Projected ? 1 : 0)
                + (strategy.Values == ProjectionStrategy.Projected ? 1 : 0));
            Assert.That(Cost(three, strategy), Is.EqualTo((3 * (Cost(one, strategy) - projections)) + projections)
                .Within(1e-12).Percent, $"{strategy}");
        }

        // Without sharing, each scope pays for its own.
        foreach (StrategyChoice own in Choices(Large(scope, scope, scope)))
            Assert.That(own.Alternatives, Is.EqualTo(one.Alternatives));

        IReadOnlyList<StrategyChoice> Choices(ResamplerConfig config)
            => new Planner(config, hasKeyValueInput: true, s_costs).Choices(grid);

        static double Cost(StrategyChoice choice, ScopeStrategy strategy)
            => choice.Alternatives.Single(alternative => alternative.Strategy == strategy).Cost;
    }

    [Test]
    public void Costs_of_every_strategy_equal_a_manual_count()
    {
        // N = 24 patches, and M = 6 queries that see all of them: 144 pairs. D = 15, three heads of 5.
        ResamplerConfig config = Configs.Of(Configs.None) with { HiddenSize = 15 };
        CostModel costs = new([4, 8], [0.5, 1])
        {
            RowEfficiency = 0.2,
            AbsorbedValueEfficiency = 0.8,
            AbsorbedValueHeads = 2,
            LogitCost = 10,
            ReadCost = 3,
        };
        const double Projection = 2.0 * 24 * 15 * 15;
        // One tile of 8 lanes at full speed reads each key and value once.
        const double Tiled = 24 * ((2 * 15 * 3) + (8 * ((4 * 15) + (3 * 10))));
        // Three heads in 4 lanes at half speed; each query reads its folded heads once.
        const double AbsorbedKeys = (144 * 4 * ((2 * 15) + 10) / 0.5) + (6 * 4 * 15 * 3);
        // Heads of 5 channels use 8 lanes.
        const double RowValues = 144 * 3 * 2 * 8 / 0.2;
        // Three heads in pairs count as 4; then every query is projected once.
        const double AbsorbedValues = ((144 * 2 * 4 * 15) + (2 * 6 * 15 * 15)) / 0.8;

        StrategyChoice choice = new Planner(config, hasKeyValueInput: true, costs).Choices(new PatchGrid(4, 6))
            .Single();

        double[] expected =
            [Tiled + (2 * Projection), AbsorbedKeys + RowValues + Projection, AbsorbedKeys + AbsorbedValues];
        Assert.That(choice.Alternatives.Select(alternative => alternative.Strategy), Is.EqualTo(ScopeStrategy.All));
        Assert.That(choice.Alternatives.Select(alternative => alternative.Cost),
            Is.EqualTo(expected).Within(1e-12).Percent);
    }

    [TestCase(true, 1)]
    [TestCase(false, 3)]
    public void Operations_of_shared_projections_are_counted_once(bool isShared, int count)
    {
        ExecutionPlan plan = Plan(Large(Configs.None, Configs.None, Configs.None) with { ShareKeyValues = isShared },
            new PatchGrid(24, 24));
        double flops = count * 2.0 * 576 * 1024 * 1024;

        Assert.That(plan.Stages.Where(stage => stage.Name is "k_proj" or "v_proj")
            .Select(stage => (stage.Flops, stage.NaiveFlops)), Is.EqualTo(new[] { (flops, flops), (flops, flops) }));
    }

    [Test]
    public void A_missing_kv_proj_or_gate_is_not_counted()
    {
        ResamplerConfig config = Configs.Of(Configs.None);

        ExecutionPlan plan = new Planner(config, hasKeyValueInput: false, s_costs).Plan(new PatchGrid(3, 3));

        Assert.That(plan.Stages.Where(stage => stage.Name is "kv_proj" or "gate")
            .Sum(stage => stage.Flops + stage.NaiveFlops), Is.Zero);
    }

    [TestCase(1, 16)]
    [TestCase(16, 16)]
    [TestCase(17, 32)]
    [TestCase(33, 64)]
    [TestCase(64, 64)]
    [TestCase(65, 80)]
    [TestCase(100, 128)]
    public void Lanes_are_padded_to_whole_tiles(int count, int expected)
        => Assert.That(s_costs.PaddedLanes(count), Is.EqualTo(expected));
}
